"""Brings the stack up in an empty cloud: images and Terraform side by side, as far as they can."""

import threading
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import docker

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.stack import Service, Stack, TerraformRoot
from lgtm_deploy.sandbox.apply_roots import RootApplier, needs_of, state_stores
from lgtm_deploy.sandbox.clients import client, environment_of
from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.home import Home
from lgtm_deploy.sandbox.images import Publisher, ensure_named, ensure_standins
from lgtm_deploy.sandbox.named_tags import NamedTags
from lgtm_deploy.sandbox.side_by_side import SideBySide
from lgtm_deploy.sandbox.stack_secrets import make_secrets


def bring_up(
    home: Home,
    stack: Stack,
    connection: Connection,
    engine: docker.DockerClient,
    progress: Progress,
    *,
    standins: Set[str] = frozenset(),
) -> None:
    """Builds and pushes today's images and applies the Terraform roots in the order of the stack file.

    The start files are laid out already. A root with an `images_variable` waits for the images. Tags that task
    definitions name are pushed as soon as these are registered; so are the `standins` made that they name. Raises
    DeployError.
    """
    folder = home.work / connection.name
    _make_state_stores(stack, folder / "stack", connection)
    make_secrets(stack, connection)
    with environment_of(connection.environment):
        ascent = _Ascent(
            home=home,
            stack=stack,
            connection=connection,
            engine=engine,
            together=SideBySide(progress),
            standins=standins,
            applier=RootApplier(
                stack=stack, folder=folder / "stack", data=folder / "terraform", environment=connection.environment
            ),
        )
        ascent.run()


def _make_state_stores(stack: Stack, folder: Path, connection: Connection) -> None:
    stores = state_stores(stack, folder)
    s3, dynamodb = client(connection, "s3"), client(connection, "dynamodb")
    place = {"LocationConstraint": connection.region}
    for bucket in stores.buckets:
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            # us-east-1 is the one region that may not be named (AWS: CreateBucket).
            s3.create_bucket(
                Bucket=bucket, **({} if connection.region == "us-east-1" else {"CreateBucketConfiguration": place})
            )
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for table in stores.lock_tables:
        # The key that Terraform's S3 backend expects.
        with suppress(dynamodb.exceptions.ResourceInUseException):
            dynamodb.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )


@dataclass(kw_only=True)
class _Ascent:
    """One way from an empty cloud to the stack."""

    home: Home
    stack: Stack
    connection: Connection
    engine: docker.DockerClient
    together: SideBySide
    applier: RootApplier
    standins: Set[str]
    initialised: dict[str, threading.Event] = field(default_factory=dict)
    applied: dict[str, threading.Event] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    images_ready: threading.Event = field(default_factory=threading.Event)
    publisher: Publisher = field(init=False)

    def __post_init__(self) -> None:
        """Make what builds and pushes the images."""
        self.publisher = Publisher(
            self.stack, self.applier.folder, self.engine, self.connection, may_come=self._makes_repositories
        )

    def run(self) -> None:
        needs = needs_of(self.stack, self.applier.folder)
        roots = list(self.stack.environment.terraform.values())
        if not roots:
            raise UsageError(
                f"Environment '{self.stack.environment.name}' has no Terraform roots, and so nothing to bring up.",
                resolution="List them under `terraform:` in the stack file.",
            )
        for root in roots:
            self.initialised[root.name], self.applied[root.name] = threading.Event(), threading.Event()
        climbs = [partial(self._raise_root, root, needs[root.name]) for root in roots]
        self.together.run([partial(self._init, roots), *climbs, self._publish, self._push_named_tags])

    def _init(self, roots: Sequence[TerraformRoot]) -> None:
        # One after the other: they share a provider cache, which Terraform does not lock.
        for root in roots:
            self.applier.init(root, self.together.tell)
            self.initialised[root.name].set()

    def _raise_root(self, root: TerraformRoot, needs: Set[str]) -> None:
        for event in (self.initialised[root.name], *(self.applied[name] for name in needs)):
            self._await(event)
        variables: dict[str, Any] = {}
        if root.images_variable:
            self._await(self.images_ready)
            variables = {root.images_variable: self.images}
        self.applier.apply(root, variables, self.together.tell)
        self.applied[root.name].set()

    def _publish(self) -> None:
        tell = self.together.tell
        ensure_standins(self.home, self.engine, self.connection.choice, self.connection.build_args, tell)
        services = list(self.stack.services.values())
        inner = SideBySide(tell)
        references = inner.run([_publishing(self.publisher, service, inner.tell) for service in services])
        self.images.update(zip((service.name for service in services), references, strict=True))
        self.images_ready.set()

    def _push_named_tags(self) -> None:
        def push(service: Service, tag: str) -> None:
            self._await(self.images_ready)
            self.publisher.tag(service, tag)

        def stand_in(reference: str) -> None:
            ensure_named(self.home, self.engine, reference, self.connection.choice.factor, self.together.tell)

        services = list(self.stack.services.values())
        tags = NamedTags(
            connection=self.connection, services=services, push=push, standins=self.standins, stand_in=stand_in
        )
        tags.follow(lambda: all(each.is_set() for each in self.applied.values()), self.together.tell)

    def _makes_repositories(self) -> bool:
        # A root with an `images_variable` waits for the images.
        roots = self.stack.environment.terraform.values()
        return any(not self.applied[root.name].is_set() for root in roots if not root.images_variable)

    def _await(self, event: threading.Event) -> None:
        while not event.wait(0.1):
            self.together.tell("")


def _publishing(publisher: Publisher, service: Service, progress: Progress) -> Callable[[], str]:
    return lambda: publisher.publish(service, progress)
