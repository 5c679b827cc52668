"""How a rollout on ECS goes: its service deployment, its tasks and what they wrote."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from lgtm_deploy.adapters.aws import Aws, reading
from lgtm_deploy.adapters.ecs.records import Record, deployment_state, digests_of, task_state
from lgtm_deploy.core.errors import AccessError, NotFoundError
from lgtm_deploy.core.ports import DeploymentState, TaskState

# AWS: DescribeTasks takes up to 100 ARNs.
TASKS_PER_CALL = 100


class LogReader(Protocol):
    """Reads log streams."""

    def last_lines(self, group: str, stream: str, limit: int) -> Sequence[str]:
        """The stream's last lines, oldest first. Raises NotFoundError, AccessError."""
        ...


class EcsRollouts:
    """Looks at the services of one cluster."""

    def __init__(self, aws: Aws, *, cluster: str, logs: LogReader) -> None:
        self._aws = aws
        self._cluster = cluster
        self._logs = logs
        self._revisions: dict[str, Record] = {}
        self._log_options: dict[str, Mapping[str, Mapping[str, str]]] = {}

    def deployment(self, arn: str) -> DeploymentState:
        """The service deployment of that ARN (AWS: DescribeServiceDeployments). Raises NotFoundError."""
        with reading(f"Service deployment {arn}"):
            found = self._aws.reader("ecs").describe_service_deployments(serviceDeploymentArns=[arn])
        if not found["serviceDeployments"]:
            raise NotFoundError(f"There is no service deployment {arn}.")
        deployment: Record = found["serviceDeployments"][0]
        target = self._revision(deployment.get("targetServiceRevision", {}).get("arn", ""))
        back = deployment.get("rollback", {}).get("serviceRevisionArn", "")
        return deployment_state(deployment, target, running=self._revision(back) if back else target)

    def tasks(self, service: str) -> Sequence[TaskState]:
        """Tasks that run, and those that stopped within about an hour (AWS: ListTasks keeps them that long)."""
        arns = dict.fromkeys(arn for status in ("RUNNING", "STOPPED") for arn in self._listed(service, status))
        ordered = list(arns)
        found: list[TaskState] = []
        for start in range(0, len(ordered), TASKS_PER_CALL):
            with reading(f"The tasks of ECS service {service}"):
                described = self._aws.reader("ecs").describe_tasks(
                    cluster=self._cluster, tasks=ordered[start : start + TASKS_PER_CALL]
                )
            found += (task_state(task) for task in described["tasks"])
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

    def _listed(self, service: str, status: str) -> list[str]:
        found: list[str] = []
        asked: dict[str, Any] = {"cluster": self._cluster, "serviceName": service, "desiredStatus": status}
        while True:
            with reading(f"The tasks of ECS service {service}"):
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
