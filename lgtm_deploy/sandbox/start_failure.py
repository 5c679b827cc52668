"""The reason why a service does not come up in a sandbox, with the log of its container."""

from pathlib import Path

from lgtm_deploy.core.errors import DeployError
from lgtm_deploy.core.ports import RolloutPorts, TaskState
from lgtm_deploy.core.rollout import Rollout, failure, last_end
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.sandbox.clients import environment_of
from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.files import write_text
from lgtm_deploy.steps.results import Deployment
from lgtm_deploy.steps.rollouts import Watched, look_at

# AWS: GetLogEvents returns up to 10,000 events.
_ALL_LINES = 10_000
# Nothing ran before: a second task ends as the first one did.
_ENDS_ENOUGH = 2
# AWS: Task, stopCode.
_OF_ITSELF = ("TaskFailedToStart", "EssentialContainerExited")


class StartFailures:
    """Looks at the rollouts of services and at what their containers wrote. Logs are kept in the folder `logs`."""

    def __init__(self, stack: Stack, ports: RolloutPorts, logs: Path) -> None:
        self._stack = stack
        self._ports = ports
        self._logs = logs
        self._told: set[str] = set()

    def first_end(self, name: str) -> str:
        """Return how the service's first task ended and where its log is; '' where none has, or it was returned."""
        service = self._stack.services[name]
        try:
            seen = None if name in self._told else self._look(service)
            if seen is None or not _ends(seen):
                return ""
            self._told.add(name)
            return f"{name}: {last_end(seen)}. Its log: {self._keep_log(service, seen)}"
        except DeployError:
            return ""

    def of(self, name: str, *, is_final: bool) -> str:
        """Return why the service cannot come up and where its log is; '' while it still can.

        `is_final`: it is not waited for any longer, whatever the reason.
        """
        service = self._stack.services[name]
        try:
            seen = self._look(service)
            if seen is None:
                return ""
            why = self._why(seen, is_final=is_final)
            return f"{why}. Its log: {self._keep_log(service, seen)}" if why else ""
        except DeployError:
            # The wait itself says what it waits for.
            return ""

    def _look(self, service: Service) -> Rollout | None:
        newest = self._ports.host.service(service.ecs_service).deployment
        if not newest:
            return None
        definition = self._ports.rollouts.deployment(newest).task_definition
        deployed = Deployment(service=service.name, deployment=newest, task_definition=definition, digest="")
        watched = Watched(deployed=deployed)
        return look_at(self._ports, service, watched)

    def _why(self, seen: Rollout, *, is_final: bool) -> str:
        # A rollback may bring the service up.
        shut = None if seen.deployment.status.startswith("ROLLBACK") else failure(seen, digest="")
        if shut is not None and shut.kind == "failed":
            return shut.reason.rstrip(".")
        # A task that a load balancer stopped may only have been slow: the wait itself ends when nothing comes further.
        if (ended := sum(each.stop_code in _OF_ITSELF for each in _ends(seen))) >= _ENDS_ENOUGH:
            return f"{seen.service}: {last_end(seen)}; it ended {ended} times"
        return f"{seen.service} is not up: {last_end(seen) or 'its task runs and is not healthy'}" if is_final else ""

    def _keep_log(self, service: Service, seen: Rollout) -> Path:
        """Write all that the task wrote into a file of the sandbox, and return the file."""
        file = self._logs / f"{service.name}.log"
        tasks = seen.stopped or seen.running
        lines = self._ports.rollouts.last_lines(tasks[-1], service.container, _ALL_LINES) if tasks else ()
        write_text(file, "".join(f"{line}\n" for line in lines))
        return file


def _ends(seen: Rollout) -> list[TaskState]:
    """Return the tasks that ended and should have run on: ECS was not asked to end them."""
    return [each for each in seen.stopped if each.stop_code in _OF_ITSELF or "health checks" in each.stopped_reason]


def start_failures(stack: Stack, connection: Connection) -> StartFailures:
    """Return the view of a sandbox's services. Logs are kept in the sandbox's own folder."""
    with environment_of(connection.environment):
        return StartFailures(stack, _ports_of(stack, connection), connection.records.with_name("logs"))


def _ports_of(stack: Stack, connection: Connection) -> RolloutPorts:
    from lgtm_deploy.adapters.aws import Aws  # noqa: PLC0415 - imports the SDK
    from lgtm_deploy.adapters.ecs import EcsHost, EcsRollouts  # noqa: PLC0415
    from lgtm_deploy.adapters.elb import ElbBalancer  # noqa: PLC0415
    from lgtm_deploy.adapters.logs import CloudWatchLogs  # noqa: PLC0415

    aws = Aws(region=connection.region, endpoint_url=connection.endpoint)
    # An SDK client keeps the credentials that the process has when it is made.
    for name in ("ecs", "elbv2", "logs"):
        aws.reader(name)
    cluster = stack.environment.cluster
    return RolloutPorts(
        host=EcsHost(aws, cluster=cluster),
        rollouts=EcsRollouts(aws, cluster=cluster, logs=CloudWatchLogs(aws)),
        balancer=ElbBalancer(aws),
    )
