"""The real adapters on the local AWS."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from lgtm_deploy.adapters.aws import Aws
from lgtm_deploy.adapters.clock import SystemClock
from lgtm_deploy.adapters.docker import DockerBuilder, connect
from lgtm_deploy.adapters.docker_leavings import Identity
from lgtm_deploy.adapters.docker_probe import DockerProbe
from lgtm_deploy.adapters.ecr import EcrRegistry
from lgtm_deploy.adapters.ecs import EcsHost, EcsRollouts
from lgtm_deploy.adapters.elb import ElbBalancer
from lgtm_deploy.adapters.elb_shadow import ElbShadowTargets
from lgtm_deploy.adapters.gateway import Gateway
from lgtm_deploy.adapters.http import HttpStackProbe, HttpTaskProbe, HttpWeb
from lgtm_deploy.adapters.logs import CloudWatchLogs
from lgtm_deploy.adapters.sts import StsCaller
from lgtm_deploy.core.ports import BuildRequest, BuiltImage, Progress
from tests.contracts.world import GOOD, REPOSITORY, SECRET, SeenT, Served, write_context
from tests.shim.cloud import CLUSTER, REGION, Cloud, wait_until

PATIENCE_SECONDS = 90


class SandboxWorld:
    """A running cloud, seen through the adapters that ship."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud = cloud
        self._folder = folder
        self._label = {"lgtm-deploy.sandbox": cloud.name}
        self._numbers = itertools.count(1)
        self._engine = connect()
        aws = Aws(region=REGION, endpoint_url=f"http://127.0.0.1:{cloud.port}")
        self.builder = Labelled(DockerBuilder(self._engine), self._label)
        self.registry = EcrRegistry(aws, self._engine, SystemClock())
        self.image_probe = DockerProbe(self._engine, Identity(name=cloud.name), {"KNOWN": SECRET})
        self.host = EcsHost(aws, cluster=CLUSTER)
        self.rollouts = EcsRollouts(aws, cluster=CLUSTER, logs=CloudWatchLogs(aws))
        self.balancer = ElbBalancer(aws)
        self.task_probe = HttpTaskProbe()
        self.shadow = ElbShadowTargets(aws, self.balancer, {"lgtm-deploy.run": "contract"})
        self.url = f"http://127.0.0.1:{cloud.alb_port}"
        self.stack_probe = HttpStackProbe(Gateway(lambda: self.url))
        self.web = HttpWeb()
        self.caller = StsCaller(aws)

    def serve(self, image: str = GOOD) -> Served:
        name = f"web-{uuid.uuid4().hex[:8]}"
        definition = self._cloud.register(name, self._cloud.image(REPOSITORY, image))
        served = self._cloud.serve(name, definition)
        self._cloud.wait_steady(name, PATIENCE_SECONDS)
        return Served(name=name, path=served.path)

    def digest(self, image: str) -> str:
        found = self.registry.digest_of(REPOSITORY, image)
        assert found
        return found

    def repository(self, *, immutable: bool, expires_untagged: bool = False) -> str:
        name = f"repository-{uuid.uuid4().hex[:8]}"
        mutability = "IMMUTABLE" if immutable else "MUTABLE"
        self._cloud.client("ecr").create_repository(repositoryName=name, imageTagMutability=mutability)
        if expires_untagged:
            days = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7}
            rule = {"rulePriority": 1, "selection": days, "action": {"type": "expire"}}
            self._cloud.client("ecr").put_lifecycle_policy(
                repositoryName=name, lifecyclePolicyText=json.dumps({"rules": [rule]})
            )
        return name

    def context(self, dockerfile: str, *, broken: bool = False) -> BuildRequest:
        text = dockerfile + ("COPY nothing /\n" if broken else "")
        return write_context(self._folder / f"context-{next(self._numbers)}", text)

    def wait(self, look: Callable[[], SeenT], what: str) -> SeenT:
        return wait_until(look, PATIENCE_SECONDS, what)

    def clean(self) -> None:
        for image in self._engine.images.list(
            filters={"label": [f"{key}={value}" for key, value in self._label.items()]}
        ):
            self._engine.images.remove(str(image.id), force=True)
        self._engine.close()


class Labelled:
    """Builds images that can be found again and removed."""

    def __init__(self, builder: DockerBuilder, labels: dict[str, str]) -> None:
        self._builder = builder
        self._labels = labels

    def identity(self, request: BuildRequest) -> str:
        return self._builder.identity(request)

    def build(self, request: BuildRequest, labels: Mapping[str, str], progress: Progress) -> BuiltImage:
        return self._builder.build(request, {**self._labels, **labels}, progress)

    def has(self, image_id: str) -> bool:
        return self._builder.has(image_id)
