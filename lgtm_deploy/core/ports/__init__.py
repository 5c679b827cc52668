"""What steps and engine need from outside, named by need.

Every port has an adapter (the real thing), a fake (in memory) and one contract suite that both pass. Adapters raise
only the errors of `core.errors`: TransientError (try again), InDoubtError (a change whose outcome is unknown),
NotFoundError, AccessError, MissingToolError and other PermanentErrors.
"""

from dataclasses import dataclass, field
from pathlib import Path

from lgtm_deploy.core.ports.balancer import Balancer, HealthCheck, ListenerRule, Target, TargetGroup, TargetStatus
from lgtm_deploy.core.ports.image_probe import ContainerSpec, Ended, ImageProbe, RunningImage, Ulimit
from lgtm_deploy.core.ports.images import BuildRequest, BuiltImage, ImageBuilder, Registry, Tags
from lgtm_deploy.core.ports.infrastructure import Infrastructure, PlannedChanges, ResourceChange
from lgtm_deploy.core.ports.memory import Journal, Lease, Lock, LockHolder, RunSummary
from lgtm_deploy.core.ports.objects import ObjectStore, StoredObject
from lgtm_deploy.core.ports.probes import Answer, StackProbe, TaskProbe
from lgtm_deploy.core.ports.progress import Noted, Progress
from lgtm_deploy.core.ports.services import (
    ContainerState,
    DeploymentState,
    DeploymentStatus,
    RolloutView,
    ServiceEvent,
    ServiceHost,
    ServiceState,
    TaskHealth,
    TaskState,
    TaskStatus,
)
from lgtm_deploy.core.ports.shadow import Shadow, ShadowRequest, ShadowTargets
from lgtm_deploy.core.ports.source import Applied, AppliedFiles, KeptFiles, Revision, SourceTree
from lgtm_deploy.core.ports.surroundings import Caller, Clock, Permission
from lgtm_deploy.core.ports.web import HttpFailure, HttpRequest, HttpResponse, HttpResult, Login, Web


@dataclass(frozen=True, kw_only=True)
class RolloutPorts:
    """The ports through which a rollout is watched."""

    host: ServiceHost
    rollouts: RolloutView
    balancer: Balancer


@dataclass(frozen=True, kw_only=True)
class VerificationPorts(RolloutPorts):
    """The ports of a verification. It needs neither Docker nor Terraform."""

    web: Web
    registry: Tags
    clock: Clock


@dataclass(frozen=True, kw_only=True)
class Ports(VerificationPorts):
    """Everything outside that steps may use."""

    builder: ImageBuilder
    registry: Registry
    image_probe: ImageProbe
    infrastructure: Infrastructure
    task_probe: TaskProbe
    shadow: ShadowTargets
    stack_probe: StackProbe
    source: SourceTree
    applied: Applied
    kept: AppliedFiles
    caller: Caller
    workspace: Path
    """A folder for files of the run, such as saved plans."""
    grafana: Login = field(default_factory=Login)
    """How Grafana is asked for its data sources."""
