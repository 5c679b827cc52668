"""How a rollout on ECS goes: its service deployment, its tasks and what they wrote."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from lgtm_deploy.adapters.aws import Aws, reading
from lgtm_deploy.adapters.ecs.records import Record, deployment_state, digests_of, task_state
from lgtm_deploy.adapters.ecs.together import Together
from lgtm_deploy.core.errors import AccessError, NotFoundError
from lgtm_deploy.core.ports import DeploymentState, TaskState

# AWS: DescribeTasks takes up to 100 ARNs.
TASKS_PER_CALL = 100
# AWS: DescribeServiceDeployments takes up to 20 ARNs.
DEPLOYMENTS_PER_CALL = 20
# One list of all tasks of a cluster serves any number of services.
_ANY_NUMBER = 1_000


class LogReader(Protocol):
    """Reads log streams."""

    def last_lines(self, group: str, stream: str, limit: int) -> Sequence[str]:
        """The stream's last lines, oldest first. Raises NotFoundError, AccessError."""


class EcsRollouts:
    """Looks at the services of one cluster. `pause` waits for so many seconds."""

    def __init__(self, aws: Aws, *, cluster: str, logs: LogReader, pause: Callable[[float], None] = time.sleep) -> None:
        self._aws = aws
        self._cluster = cluster
        self._logs = logs
        self._revisions: dict[str, Record] = {}
        self._log_options: dict[str, Mapping[str, Mapping[str, str]]] = {}
        self._deployments = Together(self._described_together, limit=DEPLOYMENTS_PER_CALL, pause=pause)
        self._tasks = Together(self._tasks_together, limit=_ANY_NUMBER, pause=pause)

    def deployment(self, arn: str) -> DeploymentState:
        """The service deployment of that ARN (AWS: DescribeServiceDeployments). Raises NotFoundError."""
        deployment = self._deployments.one(arn)
        if deployment is None:
            raise NotFoundError(f"There is no service deployment {arn}.")
        target = self._revision(deployment.get("targetServiceRevision", {}).get("arn", ""))
        back = deployment.get("rollback", {}).get("serviceRevisionArn", "")
        return deployment_state(deployment, target, running=self._revision(back) if back else target)

    def tasks(self, service: str) -> Sequence[TaskState]:
        """Tasks that run, and those that stopped within about an hour (AWS: ListTasks keeps them that long)."""
        return self._tasks.one(service) or ()

    def _described_together(self, arns: Sequence[str]) -> Mapping[str, Record]:
        with reading(f"Service deployment {', '.join(arns)}"):
            found = self._aws.reader("ecs").describe_service_deployments(serviceDeploymentArns=list(arns))
        return {deployment["serviceDeploymentArn"]: deployment for deployment in found["serviceDeployments"]}

    def _tasks_together(self, services: Sequence[str]) -> Mapping[str, Sequence[TaskState]]:
        """The tasks by service. For one service only its own are listed, for more those of the whole cluster."""
        what = f"The tasks of ECS service {', '.join(services)}"
        only = {"serviceName": services[0]} if len(services) == 1 else {}
        arns = dict.fromkeys(arn for status in ("RUNNING", "STOPPED") for arn in self._listed(what, status, only))
        ordered = list(arns)
        found: dict[str, list[TaskState]] = {service: [] for service in services}
        for start in range(0, len(ordered), TASKS_PER_CALL):
            with reading(what):
                described = self._aws.reader("ecs").describe_tasks(
                    cluster=self._cluster, tasks=ordered[start : start + TASKS_PER_CALL]
                )
            for task in described["tasks"]:
                # AWS: the group of a service's task is `service:` and its name.
                service = services[0] if only else str(task.get("group", "")).removeprefix("service:")
                if service in found:
                    found[service].append(task_state(task))
        return found

    def last_lines(self, task: TaskState, container: str, limit: int) -> Sequence[str]:
        """The last log lines, oldest first; empty where its logs cannot be read."""
        options = self._log_options_of(task.task_definition).get(container, {})
        group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
        if not group or not prefix:
            return ()
        # AWS: "Send Amazon ECS logs to CloudWatch": prefix-name/container-name/ecs-task-id
        stream = f"{prefix}/{container}/{task.arn.rpartition('/')[2]}"
        try:
            return self._logs.last_lines(group, stream, limit)
        except (NotFoundError, AccessError):
            return ()

    def _listed(self, what: str, status: str, only: Mapping[str, str]) -> list[str]:
        found: list[str] = []
        asked: dict[str, Any] = {"cluster": self._cluster, "desiredStatus": status, **only}
        while True:
            with reading(what):
                answer = self._aws.reader("ecs").list_tasks(**asked)
            found += answer["taskArns"]
            if not answer.get("nextToken"):
                return found
            asked["nextToken"] = answer["nextToken"]

    def _revision(self, arn: str) -> Record:
        """The service revision; a revision does not change once its digests are resolved."""
        if not arn:
            return {}
        if arn not in self._revisions:
            with reading(f"Service revision {arn}"):
                found = self._aws.reader("ecs").describe_service_revisions(serviceRevisionArns=[arn])
            revision: Record = next(iter(found["serviceRevisions"]), {})
            if len(digests_of(revision)) < max(1, len(revision.get("containerImages", []))):
                return revision
            self._revisions[arn] = revision
        return self._revisions[arn]

    def _log_options_of(self, task_definition: str) -> Mapping[str, Mapping[str, str]]:
        if task_definition not in self._log_options:
            with reading(f"Task definition {task_definition}"):
                found = self._aws.reader("ecs").describe_task_definition(taskDefinition=task_definition)
            self._log_options[task_definition] = {
                container["name"]: container.get("logConfiguration", {}).get("options", {})
                for container in found["taskDefinition"]["containerDefinitions"]
            }
        return self._log_options[task_definition]
