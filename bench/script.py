"""A release as people script it, with the calls that their two CI workflows make."""

import subprocess
import time
from collections.abc import Mapping
from typing import Any

import boto3
import docker

from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.connection import Connection

SERVICES = ("tempo", "pyroscope")
# The waiter `services_stable` looks every 15 s, 40 times.
_WAITER_SECONDS = 15
WAITER_LIMIT = 600.0
# Interval x unhealthy threshold of the sandbox's target groups, and one more, in seconds.
_UNTIL_CHECKED = 25
_KEPT = ("family", "taskRoleArn", "executionRoleArn", "networkMode", "cpu", "memory", "requiresCompatibilities")


class Script:
    """The release's parts, to be called in whatever order a script has them."""

    def __init__(self, stack: Stack, connection: Connection, *, tag: str = "") -> None:
        self._stack = stack
        self._docker = docker.DockerClient(base_url=connection.docker_host)
        self._args = connection.build_args
        self._ecs: Any = boto3.client("ecs", endpoint_url=connection.endpoint)
        self._elb: Any = boto3.client("elbv2", endpoint_url=connection.endpoint)
        self._ecr: Any = boto3.client("ecr", endpoint_url=connection.endpoint)
        self._tag = tag or f"bench-{int(time.time())}"
        token = self._ecr.get_authorization_token()["authorizationData"][0]
        self._registry = token["proxyEndpoint"].removeprefix("http://").removeprefix("https://")

    def publish(self, *names: str) -> None:
        """Builds the images, then pushes them under the tag. Raises DockerException when one does not build."""
        for name in names:
            service = self._stack.service(name)
            self._docker.images.build(
                path=str(self._stack.directory / service.context),
                buildargs={**self._args.get(name, {}), "VERSION": service.version},
                tag=self._image(name),
                labels={"lgtm-deploy.bench": self._tag},
                rm=True,
            )
        for name in names:
            repository = self._image(name).removesuffix(f":{self._tag}")
            self._docker.images.push(repository, tag=self._tag, auth_config={"username": "AWS", "password": "sandbox"})

    def deploy(self, name: str) -> None:
        """A task definition with the new image, and its deployment; does not wait."""
        found = self._definition(name)
        revision = {key: found[key] for key in (*_KEPT, "volumes", "runtimePlatform") if key in found}
        containers = [{**each, "image": self._image(name)} for each in found["containerDefinitions"]]
        made = self._ecs.register_task_definition(**revision, containerDefinitions=containers)["taskDefinition"]
        self._ecs.update_service(**self._names(name), taskDefinition=made["taskDefinitionArn"], forceNewDeployment=True)

    def deploy_again(self, name: str) -> None:
        """What `--force-new-deployment` alone does: the task definition stays."""
        self._ecs.update_service(**self._names(name), forceNewDeployment=True)

    def wait(self, name: str, seconds: float = WAITER_LIMIT) -> None:
        """Raises WaiterError when the service does not get stable in so many seconds."""
        names = self._names(name)
        attempts = max(1, int(seconds // _WAITER_SECONDS))
        waiter = self._ecs.get_waiter("services_stable")
        waiter.wait(
            cluster=names["cluster"],
            services=[names["service"]],
            WaiterConfig={"Delay": _WAITER_SECONDS, "MaxAttempts": attempts},
        )

    def terraform(self, *variables: str) -> None:
        """Plans and applies the load balancer's root, with these variables over those of its files."""
        root = self._stack.root("alb")
        at = self._stack.directory / root.root
        backend = [f"-backend-config={self._stack.directory / each}" for each in root.backend_config]
        files = [f"-var-file={self._stack.directory / each}" for each in root.var_files]
        for words in (
            ["init", "-input=false", *backend],
            ["plan", "-input=false", "-out=bench.tfplan", *files, *(f"-var={each}" for each in variables)],
            ["apply", "-input=false", "bench.tfplan"],
        ):
            subprocess.run(["terraform", *words], cwd=at, check=True, stdout=subprocess.DEVNULL)

    def check_path(self, name: str, path: str) -> None:
        """Moves the health check by hand."""
        self._elb.modify_target_group(TargetGroupArn=self._target_group(name)["TargetGroupArn"], HealthCheckPath=path)

    def grace_period(self, name: str, seconds: int) -> None:
        """What is raised once a night has failed."""
        self._ecs.update_service(**self._names(name), healthCheckGracePeriodSeconds=seconds)

    def wrong(self) -> str:
        """What is not as the script left it to be, once the load balancer has checked often enough; empty: nothing."""
        time.sleep(_UNTIL_CHECKED)
        return "; ".join(
            f"{name}: old image under {self._target_group(name)['HealthCheckPath']}, {self.healthy(name)} healthy"
            for name in SERVICES
            if not self.is_new(name)
        )

    def is_new(self, name: str) -> bool:
        """Whether the service's task definition has the image that was pushed."""
        return bool(self._definition(name)["containerDefinitions"][0]["image"].endswith(self._tag))

    def healthy(self, name: str) -> int:
        """How many of the service's targets are healthy."""
        health = self._elb.describe_target_health(TargetGroupArn=self._target_group(name)["TargetGroupArn"])
        return [each["TargetHealth"]["State"] for each in health["TargetHealthDescriptions"]].count("healthy")

    def _image(self, name: str) -> str:
        return f"{self._registry}/{self._stack.service(name).repository}:{self._tag}"

    def _names(self, name: str) -> dict[str, str]:
        return {"cluster": self._stack.environment.cluster, "service": self._stack.service(name).ecs_service}

    def _definition(self, name: str) -> Mapping[str, Any]:
        names = self._names(name)
        found = self._ecs.describe_services(cluster=names["cluster"], services=[names["service"]])["services"][0]
        definition: Mapping[str, Any] = self._ecs.describe_task_definition(taskDefinition=found["taskDefinition"])[
            "taskDefinition"
        ]
        return definition

    def _target_group(self, name: str) -> Mapping[str, Any]:
        groups = self._elb.describe_target_groups(Names=[self._stack.service(name).target_group])["TargetGroups"]
        found: Mapping[str, Any] = groups[0]
        return found
