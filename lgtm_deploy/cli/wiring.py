"""Which room is joined to which: the only place that chooses between real, sandbox and fake."""

import base64
import os
import secrets
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.masks import Masks
from lgtm_deploy.core.permit import Permit
from lgtm_deploy.core.plan import Plan
from lgtm_deploy.core.ports import Caller, Journal, Login, Ports, Revision, RolloutPorts
from lgtm_deploy.core.request_headers import RequestHeaders
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.private import OWN_FOLDER, make_private

if TYPE_CHECKING:
    from lgtm_deploy.adapters.gateway import Gateway

SANDBOX = "sandbox"
_NO_NAMES = "the sandbox resolves names of Cloud Map only"
# Enough to find the last one that changed anything, nearly always; and more runs than anybody has.
_FEW = 20
_ALL = 10_000


def state_folder(directory: Path) -> Path:
    """Where this machine keeps what it knows of the runs of the stack in that folder."""
    return directory / OWN_FOLDER


def find_run(remembered: Journal, text: str, environment: str = "") -> str:
    """The run whose id begins so; `last`: the newest, of that environment where it is named. Raises UsageError when it
    is none, or more than one."""
    if text == "last":
        found = [each.run for each in remembered.runs(1, environment)]
    else:
        found = [each.run for each in remembered.runs(_ALL) if text and each.run.startswith(text)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"There is no run '{text}'.", resolution="See `lgtm-deploy runs`.")
    raise UsageError(f"More than one run begins with '{text}': {', '.join(found[:5])}.")


def begun_run(remembered: Journal, text: str, environment: str) -> Run:
    """What its journal tells of the run that is named so. Raises UsageError also when it was on another environment
    than the one that was named."""
    run = run_so_far(remembered, find_run(remembered, text, environment))
    if environment not in ("", run.environment):
        raise UsageError(
            f"Run {run.id} was on '{run.environment}', not on '{environment}'.",
            resolution=f"Pass --env {run.environment}.",
        )
    return run


def run_so_far(remembered: Journal, identifier: str) -> Run:
    """What its journal tells of a run."""
    return Run(id=identifier).folded(record.event for record in remembered.records(identifier))


def settled(stack: Stack) -> Stack:
    """The stack with `endpoint: sandbox` replaced by the running sandbox, whose settings this process then has.

    Raises NotFoundError when the sandbox is not up, UsageError when another environment runs in it.
    """
    if stack.environment.endpoint != SANDBOX:
        return stack
    from lgtm_deploy.sandbox.connection import connect
    from lgtm_deploy.sandbox.home import chosen_name, home_for

    connection = connect(home_for(stack.directory), chosen_name())
    connection.refuse_unless(stack.environment.name)
    os.environ.update(connection.environment)
    environment = replace(
        stack.environment,
        endpoint=connection.endpoint,
        url=connection.load_balancer_url,
    )
    services = {
        name: replace(service, build_args={**service.build_args, **connection.build_args.get(name, {})})
        for name, service in stack.services.items()
    }
    return replace(stack, environment=environment, services=services)


def base_images(stack: Stack) -> Mapping[str, str] | None:
    """Return by service the origin of its base image in the running sandbox; None for an environment that is none.

    `stack` is not settled yet.
    """
    if stack.environment.endpoint != SANDBOX:
        return None
    from lgtm_deploy.sandbox.connection import connect
    from lgtm_deploy.sandbox.home import chosen_name, home_for

    versions = {service.name: service.version for service in stack.services.values()}
    return connect(home_for(stack.directory), chosen_name()).base_images(versions)


@dataclass(frozen=True, kw_only=True)
class Sights(RolloutPorts):
    """The ports of verbs that only look. Who takes the lock later binds `permit`: changes of this world ask it."""

    caller: Caller
    permit: Permit = field(default_factory=Permit)


def sights(stack: Stack) -> Sights:
    """What a settled stack's environment looks like; needs neither Docker nor Terraform."""
    from lgtm_deploy.adapters.aws import Aws
    from lgtm_deploy.adapters.ecs import EcsHost, EcsRollouts
    from lgtm_deploy.adapters.elb import ElbBalancer
    from lgtm_deploy.adapters.logs import CloudWatchLogs
    from lgtm_deploy.adapters.sts import StsCaller

    permit = Permit()
    aws = Aws(region=stack.environment.region, endpoint_url=stack.environment.endpoint, permit=permit)
    cluster = stack.environment.cluster
    return Sights(
        host=EcsHost(aws, cluster=cluster),
        rollouts=EcsRollouts(aws, cluster=cluster, logs=CloudWatchLogs(aws)),
        balancer=ElbBalancer(aws),
        caller=StsCaller(aws),
        permit=permit,
    )


def ports(stack: Stack, seen: Sights, workspace: Path) -> Ports:
    """The real world, as a settled stack's environment says. Raises MissingToolError: no engine answers."""
    from lgtm_deploy.adapters.applied_files import AppliedFilesFolder
    from lgtm_deploy.adapters.aws import Aws
    from lgtm_deploy.adapters.clock import SystemClock
    from lgtm_deploy.adapters.docker import DockerBuilder, connect, has_buildx
    from lgtm_deploy.adapters.docker_leavings import Identity
    from lgtm_deploy.adapters.docker_probe import DockerProbe
    from lgtm_deploy.adapters.ecr import EcrRegistry
    from lgtm_deploy.adapters.elb_shadow import ElbShadowTargets
    from lgtm_deploy.adapters.git import GitSource
    from lgtm_deploy.adapters.http import HttpStackProbe, HttpTaskProbe, HttpWeb
    from lgtm_deploy.adapters.terraform import TerraformInfrastructure
    from lgtm_deploy.adapters.terraform_lock import Ownership
    from lgtm_deploy.cli import memory
    from lgtm_deploy.core.state_lock import state_locks
    from lgtm_deploy.storage.process import Process, has_ended

    environment = stack.environment
    way = gateway(stack, seen)
    clock = SystemClock()
    aws = Aws(region=environment.region, endpoint_url=environment.endpoint, permit=seen.permit)
    engine = connect()
    process = Identity(name=str(Process.this()), is_gone=has_ended)
    return Ports(
        builder=DockerBuilder(engine, buildkit=has_buildx()),
        registry=EcrRegistry(aws, engine, clock, process=process),
        image_probe=DockerProbe(engine, process),
        host=seen.host,
        rollouts=seen.rollouts,
        balancer=seen.balancer,
        infrastructure=TerraformInfrastructure(
            workspace=state_folder(stack.directory) / "terraform" / environment.name,
            environment=dict(os.environ),
            # The sandbox's providers come from a mirror: a lock file of theirs is of no use elsewhere.
            makes_lock_file=bool(environment.endpoint),
            ownership=Ownership(
                name=lambda pid: str(Process.of(pid)),
                is_gone=has_ended,
                taken=lambda: state_locks(memory.journal(stack).records(workspace.name)),
            ),
        ),
        task_probe=HttpTaskProbe(),
        # A run's workspace bears its name.
        shadow=ElbShadowTargets(
            aws, seen.balancer, {"lgtm-deploy.run": workspace.name, "lgtm-deploy.by": caller_name()}
        ),
        stack_probe=HttpStackProbe(way),
        web=HttpWeb(way),
        source=GitSource(stack.directory, os.environ),
        applied=_EarlierRuns(stack, workspace.name),
        kept=AppliedFilesFolder(stack.directory, environment.name),
        caller=seen.caller,
        clock=clock,
        workspace=workspace,
        grafana=grafana_login(is_sandbox=bool(environment.endpoint)),
    )


def gateway(stack: Stack, seen: Sights) -> "Gateway":
    """Return the way to the stack through its load balancer. Raises UsageError: a header's variable is not set."""
    from lgtm_deploy.adapters.gateway import Gateway

    environment = stack.environment
    return Gateway(
        lambda: environment.url or seen.balancer.address(environment.load_balancer),
        RequestHeaders.of(stack, os.environ),
        stack.directory / environment.ca_bundle if environment.ca_bundle else None,
    )


def grafana_login(*, is_sandbox: bool) -> Login:
    """Return how Grafana is logged in to, by the environment variables of this process."""
    token = os.environ.get("LGTM_DEPLOY_GRAFANA_TOKEN", "")
    user = os.environ.get("LGTM_DEPLOY_GRAFANA_USER", "")
    password = os.environ.get("LGTM_DEPLOY_GRAFANA_PASSWORD", "")
    if token:
        return Login(headers={"Authorization": f"Bearer {token}"})
    if user and password:
        return Login(headers=_basic(user, password))
    if is_sandbox:
        # Its Grafana has the login that every new Grafana has.
        return Login(headers=_basic("admin", "admin"), no_sources=_NO_NAMES)
    return Login()


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


class _EarlierRuns:
    """What the journal says of earlier runs on the stack's environment."""

    def __init__(self, stack: Stack, run: str) -> None:
        self._stack = stack
        self._run = run

    def last(self, root: str) -> tuple[Revision, str]:
        """The revision at the last successful apply of that root."""
        from lgtm_deploy.cli import memory
        from lgtm_deploy.core.applied import last_applied

        remembered = memory.journal(self._stack)
        names = [each.run for each in remembered.runs(_FEW, self._stack.environment.name) if each.run != self._run]
        runs = (Run(id=name).folded(record.event for record in remembered.records(name)) for name in names)
        return last_applied(runs, root)


def guard_account(stack: Stack, caller: Caller) -> None:
    """Refuses credentials of another account than the environment's, before anything else is asked."""
    found = caller.account()
    if found != stack.environment.account:
        raise UsageError(
            f"The credentials in use are for account {found}; environment '{stack.environment.name}' is in account "
            f"{stack.environment.account}.",
            resolution="Use that account's credentials, or correct `account` in the stack file.",
        )


def new_run_id() -> str:
    """A name for a run that nobody has had."""
    return secrets.token_hex(4)


def masks(stack: Stack, plan: Plan, variables: Mapping[str, str]) -> Masks:
    """What stands for the plan's secret variables, and for those of request headers, wherever a run is told."""
    return Masks(
        values={name: variables[name] for name in plan.secrets},
        headers=RequestHeaders.of(stack, os.environ).secrets,
        salt=secrets.token_hex(16),
    )


def caller_name() -> str:
    """Who starts a run, for those who wait for it."""
    user = os.environ.get("GITHUB_ACTOR") or os.environ.get("USER") or os.environ.get("LOGNAME") or f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


class Workspace:
    """A private folder for the files of one run. Saved plans hold secrets: it is removed once nobody can go on."""

    def __init__(self, stack: Stack, run: str) -> None:
        self.path = state_folder(stack.directory) / "runs" / run

    def make(self) -> None:
        """Makes the folder where it is not there."""
        make_private(self.path)

    def remove_if_empty(self) -> None:
        """Leaves nothing of a run that never put anything into it."""
        with suppress(OSError):
            self.path.rmdir()

    def remove(self) -> None:
        """Removes the folder and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
