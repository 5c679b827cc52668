"""An in-memory twin of every port, for fast tests and rehearsals."""

from pathlib import Path

from lgtm_deploy.core.ports import Ports
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.fakes.clock import FakeClock
from lgtm_deploy.fakes.cloud import FakeCloud, FakeDefined, FakeDefinition, FakeRepository, FakeRoot
from lgtm_deploy.fakes.image import Contract, Source
from lgtm_deploy.fakes.image_probe import FakeImageProbe
from lgtm_deploy.fakes.images import FakeBuilder, FakeRegistry
from lgtm_deploy.fakes.infrastructure import FakeInfrastructure
from lgtm_deploy.fakes.lay import lay, old_path
from lgtm_deploy.fakes.memory import FakeJournal, FakeLock
from lgtm_deploy.fakes.objects import FakeObjects
from lgtm_deploy.fakes.probes import FakeCaller, FakeStackProbe, FakeTaskProbe
from lgtm_deploy.fakes.rollout import FakeDeployment, FakeRevision, FakeService, FakeTask
from lgtm_deploy.fakes.script import Call, Fault, Script
from lgtm_deploy.fakes.services import FakeBalancer, FakeHost, FakeRollouts
from lgtm_deploy.fakes.shadow import FakeShadowTargets
from lgtm_deploy.fakes.source import FakeApplied, FakeAppliedFiles, FakeSource
from lgtm_deploy.fakes.targets import FakeTarget, FakeTargetGroup
from lgtm_deploy.fakes.web import FakeWeb


def fake_ports(stack: Stack, cloud: FakeCloud, workspace: Path) -> Ports:  # noqa: ARG001 - as the real wiring takes it
    """All ports on one cloud; `lay(stack)` makes the cloud that a stack describes."""
    return Ports(
        builder=FakeBuilder(cloud),
        registry=FakeRegistry(cloud),
        image_probe=FakeImageProbe(cloud),
        host=FakeHost(cloud),
        rollouts=FakeRollouts(cloud),
        balancer=FakeBalancer(cloud),
        infrastructure=FakeInfrastructure(cloud),
        task_probe=FakeTaskProbe(cloud),
        shadow=FakeShadowTargets(cloud),
        stack_probe=FakeStackProbe(cloud),
        web=FakeWeb(cloud),
        source=FakeSource(cloud),
        applied=FakeApplied(cloud),
        kept=FakeAppliedFiles(cloud),
        caller=FakeCaller(cloud),
        clock=cloud.clock,
        workspace=workspace,
    )
