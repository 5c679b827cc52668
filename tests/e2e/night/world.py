"""What the cloud was like that night: done by hand through its own calls, before the change begins."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import docker

from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.clients import client
from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.home import Home
from lgtm_deploy.sandbox.images import build_standins
from lgtm_deploy.sandbox.settled import wait_settled

# Base images that the example does not name.
VERSIONS = (("tempo", "2.3.1"), ("tempo", "3.0.3"), ("pyroscope", "1.13.5"))

_KEPT = (
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "cpu",
    "memory",
    "requiresCompatibilities",
    "volumes",
    "runtimePlatform",
)


class World:
    """The sandbox, changed as an operator would change AWS."""

    def __init__(self, stack: Stack, connection: Connection) -> None:
        self._stack = stack
        self._connection = connection
        self._ecs = client(connection, "ecs")
        self._elb = client(connection, "elbv2")
        self._ecr = client(connection, "ecr")

    def pull(self, home: Home) -> None:
        """Makes the base images of that night, where they are missing."""
        engine = docker.DockerClient(base_url=self._connection.docker_host)
        try:
            build_standins(home, engine, VERSIONS, self._connection.choice.factor, lambda _text: None)
        finally:
            engine.close()

    def slow_start(self, name: str) -> None:
        """Deploys the service's tasks with an environment in which their delays are those of the real server."""
        self._revise(name, environment={"STANDIN_FACTOR": "1"})

    def pin(self, name: str, tag: str) -> None:
        """Tags the image that runs, and deploys a task definition that names it by that tag, unless it does already."""
        repository = self._stack.service(name).repository
        image = self.image(name)
        if image.endswith(f":{tag}"):
            return
        digest = image.partition("@")[2]
        found = self._ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])["images"][0]
        self._ecr.put_image(repositoryName=repository, imageManifest=found["imageManifest"], imageTag=tag)
        self._revise(name, image=f"{image.partition('@')[0]}:{tag}")

    def settle(self) -> None:
        """Waits until everything runs as it should."""
        wait_settled(self._stack, self._connection, lambda _text: None)

    def set_grace_period(self, name: str, seconds: int) -> None:
        self._ecs.update_service(
            cluster=self._stack.environment.cluster,
            service=self._stack.service(name).ecs_service,
            healthCheckGracePeriodSeconds=seconds,
        )

    def grace_period(self, name: str) -> int:
        return int(self._service(name)["healthCheckGracePeriodSeconds"])

    def image(self, name: str) -> str:
        """The image of the service's task definition."""
        return str(self._container(name)["image"])

    def digest(self, name: str, tag: str) -> str:
        """What the service's repository has under that tag."""
        repository = self._stack.service(name).repository
        found = self._ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"]
        return str(found[0]["imageDigest"])

    @contextmanager
    def rules(self, name: str, paths: tuple[str, ...], *, first_priority: int = 400) -> Iterator[None]:
        """Listener rules that lead these paths to the service, unless there are some."""
        missing = [path for path in paths if path not in self._routed(name)]
        made = [self._add_rule(name, first_priority + number, path) for number, path in enumerate(missing)]
        try:
            yield
        finally:
            for rule in made:
                self._elb.delete_rule(RuleArn=rule)

    def _routed(self, name: str) -> set[str]:
        target = self._target_group(name)
        rules = self._elb.describe_rules(ListenerArn=self._listener())["Rules"]
        to_service = [each for each in rules if any(one.get("TargetGroupArn") == target for one in each["Actions"])]
        return {
            path for rule in to_service for each in rule["Conditions"] for path in each["PathPatternConfig"]["Values"]
        }

    def _add_rule(self, name: str, priority: int, path: str) -> str:
        made = self._elb.create_rule(
            ListenerArn=self._listener(),
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [path]}}],
            Actions=[{"Type": "forward", "TargetGroupArn": self._target_group(name)}],
        )
        return str(made["Rules"][0]["RuleArn"])

    def _listener(self) -> str:
        balancer = self._elb.describe_load_balancers(Names=[self._stack.environment.load_balancer])
        arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
        return str(self._elb.describe_listeners(LoadBalancerArn=arn)["Listeners"][0]["ListenerArn"])

    def _target_group(self, name: str) -> str:
        groups = self._elb.describe_target_groups(Names=[self._stack.service(name).target_group])["TargetGroups"]
        return str(groups[0]["TargetGroupArn"])

    def _revise(self, name: str, *, image: str = "", environment: Mapping[str, str] | None = None) -> None:
        found = self._definition(name)
        container = dict(found["containerDefinitions"][0])
        if image:
            container["image"] = image
        if environment:
            before = {each["name"]: each["value"] for each in container["environment"]}
            container["environment"] = [{"name": key, "value": text} for key, text in {**before, **environment}.items()]
        kept = {key: found[key] for key in _KEPT if key in found}
        made = self._ecs.register_task_definition(**kept, containerDefinitions=[container])["taskDefinition"]
        self._ecs.update_service(
            cluster=self._stack.environment.cluster,
            service=self._stack.service(name).ecs_service,
            taskDefinition=made["taskDefinitionArn"],
        )

    def _container(self, name: str) -> Mapping[str, Any]:
        container: Mapping[str, Any] = self._definition(name)["containerDefinitions"][0]
        return container

    def _definition(self, name: str) -> Mapping[str, Any]:
        arn = self._service(name)["taskDefinition"]
        found: Mapping[str, Any] = self._ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        return found

    def _service(self, name: str) -> Mapping[str, Any]:
        cluster, service = self._stack.environment.cluster, self._stack.service(name).ecs_service
        found: Mapping[str, Any] = self._ecs.describe_services(cluster=cluster, services=[service])["services"][0]
        return found
