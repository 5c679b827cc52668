"""A sandbox from up to down: `up`, `down`, `status`, `reset`, `remove`."""

import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lgtm_deploy.adapters.applied_files import AppliedFilesFolder
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox import golden
from lgtm_deploy.sandbox.cloud import (
    CloudSettings,
    is_healthy,
    kill_cloud,
    save_and_stop_cloud,
    start_cloud,
    wipe_state,
)
from lgtm_deploy.sandbox.connection import Connection, running, save, saved
from lgtm_deploy.sandbox.engine import (
    Engine,
    answers,
    client_of,
    engine_held,
    find_engine,
    stop_engine,
    stop_idle_engine,
)
from lgtm_deploy.sandbox.files import locked
from lgtm_deploy.sandbox.home import Home, Place, home_for
from lgtm_deploy.sandbox.image_choice import Choice, Source, Wanted, standin_references, wanted_by
from lgtm_deploy.sandbox.installation import ensure_ministack
from lgtm_deploy.sandbox.leftovers import unmount_below
from lgtm_deploy.sandbox.ports import LOOPBACK, SandboxPorts, ports_for
from lgtm_deploy.sandbox.removal import remove_containers, remove_everything
from lgtm_deploy.sandbox.settings import client_environment
from lgtm_deploy.sandbox.settled import wait_settled
from lgtm_deploy.sandbox.stack_secrets import secret_values
from lgtm_deploy.sandbox.start_state import key_of, left_out, start_files, started

if TYPE_CHECKING:
    import docker

_APPLIED = "applied"


@dataclass(frozen=True, kw_only=True)
class SandboxStatus:
    """What is known of a sandbox. `connection` is None when it is not up.

    `answers` and `engine_answers` say whether its local AWS and its Docker Engine do.
    """

    name: str
    connection: Connection | None
    answers: bool
    engine_answers: bool
    folder: Path

    @property
    def is_up(self) -> bool:
        """Whether it can be used."""
        return self.connection is not None and self.answers and self.engine_answers


def up(stack: Stack, name: str, progress: Progress, *, fresh: bool = False, wanted: Wanted | None = None) -> Connection:
    """Bring the sandbox up with what runs today, and say how to reach it.

    Where it is up, only the stand-ins are made that the stack's own files build on.

    The first time takes about two minutes; from then on a kept copy is started in seconds. `fresh` makes it again.
    `wanted` are the base images; None: what the environment variables say.
    Raises MissingToolError (no Docker, no Terraform), PermanentError (the stack does not come up), UsageError (it is up
    with other base images than are wanted).
    """
    wanted = wanted or wanted_by()
    home = home_for(stack.directory)
    place = home.place(name)
    with locked(place.path / "lock", progress, f"waiting for another command on the sandbox '{name}'"):
        found = status(home, name)
        if found.connection and found.is_up and not fresh:
            found.connection.refuse_unless(stack.environment.name)
            found.connection.choice.refuse_unless(wanted, name)
            with closing(client_of(found.connection.docker_host)) as client:
                _prepare_change(home, stack, found.connection, client, progress)
            return found.connection
        if found.connection and not found.engine_answers:
            progress(f"the Docker Engine of the sandbox '{name}' does not answer")
        return _start(home, place, stack, progress, wanted, fresh=fresh)


def reset(stack: Stack, name: str, progress: Progress) -> Connection:
    """Takes the sandbox back to what runs today, on the same ports and base images. Raises what `up` raises."""
    home = home_for(stack.directory)
    place = home.place(name)
    with locked(place.path / "lock", progress, f"waiting for another command on the sandbox '{name}'"):
        before = saved(place)
        if before:
            before.refuse_unless(stack.environment.name)
        return _start(home, place, stack, progress, before.choice if before else wanted_by(), fresh=False)


def down(home: Home, name: str, progress: Progress) -> None:
    """Takes the sandbox down, with its containers and what it remembers; the engine too when no other sandbox needs it.

    Golden state, images and ports are kept for the next `up`.
    """
    place = home.place(name)
    if not place.path.is_dir():
        return
    with locked(place.path / "lock", progress, f"waiting for another command on the sandbox '{name}'"):
        _clear(home, place, progress)
        shutil.rmtree(home.work / name, ignore_errors=True)
    stop_idle_engine(home, progress)


def status(home: Home, name: str) -> SandboxStatus:
    """What is known of the sandbox now."""
    place = home.place(name)
    connection = running(place)
    if connection is None:
        return SandboxStatus(name=name, connection=None, answers=False, engine_answers=False, folder=place.path)
    port = int(connection.endpoint.rpartition(":")[2])
    return SandboxStatus(
        name=name,
        connection=connection,
        answers=is_healthy(port),
        engine_answers=answers(connection.docker_host),
        folder=place.path,
    )


def remove(home: Home, progress: Progress) -> None:
    """Removes every sandbox of the home and all they share: containers, images, engine, golden state, files."""
    if not home.path.is_dir():
        return
    for place in home.places():
        _clear(home, place, progress)
    engine = find_engine(home)
    if engine and not engine.own:
        remove_everything(engine, home.identity, progress)
    stop_engine(home, progress)
    unmount_below(home.path)
    progress("removing the sandbox's files")
    shutil.rmtree(home.path)


@dataclass(frozen=True, kw_only=True)
class _Start:
    """Everything that is needed to start a sandbox. `stack` is as the start files describe it."""

    home: Home
    place: Place
    stack: Stack
    engine: Engine
    ports: SandboxPorts
    cloud: CloudSettings
    connection: Connection
    key: str

    @staticmethod
    def prepare(
        home: Home, place: Place, stack: Stack, engine: Engine, progress: Progress, *, images: Wanted | Choice
    ) -> "_Start":
        from lgtm_deploy.sandbox.images import standin_arguments  # noqa: PLC0415 - imports the SDKs
        from lgtm_deploy.sandbox.vendor_images import choose_images  # noqa: PLC0415 - imports the SDKs

        # First: a sandbox that runs stays as it is when there are no such images or secrets.
        secret_values(stack)
        files = start_files(stack)
        if line := left_out(stack):
            progress(line)
        stack = started(stack, home.work / place.name / "stack")
        if isinstance(images, Wanted):
            images = choose_images(home, stack, files, engine, wanted=images, progress=progress)
        build_args = standin_arguments(home, stack, files, images, own_engine=engine.own)
        # Before the ports are chosen: its own are then free to be kept.
        _clear(home, place, progress)
        python = ensure_ministack(home, progress)
        ports = ports_for(home, place, progress)
        environment = stack.environment
        endpoint = f"http://{LOOPBACK}:{ports.gateway}"
        return _Start(
            home=home,
            place=place,
            stack=stack,
            engine=engine,
            ports=ports,
            cloud=CloudSettings(
                python=python, engine=engine, ports=ports, region=environment.region, account=environment.account
            ),
            connection=Connection(
                name=place.name,
                endpoint=endpoint,
                region=environment.region,
                account=environment.account,
                load_balancer_url=f"http://{LOOPBACK}:{ports.balancer}",
                docker_host=engine.docker_host,
                build_args=build_args,
                environment=client_environment(
                    home, endpoint=endpoint, region=environment.region, docker_host=engine.docker_host
                ),
                records=place.records,
                choice=images,
                stack_environment=environment.name,
            ),
            key=key_of(stack, images),
        )


def _start(
    home: Home, place: Place, stack: Stack, progress: Progress, images: Wanted | Choice, *, fresh: bool
) -> Connection:
    # Held: until its cloud runs, another sandbox that goes down would take the engine with it.
    with engine_held(home, progress) as engine, closing(engine.client()) as client:
        start = _Start.prepare(home, place, stack, engine, progress, images=images)
        _restore_golden(start, client, progress, fresh=fresh)
        _prepare_change(home, stack, start.connection, client, progress)
        progress("starting the local AWS")
        start_cloud(start.home, start.place, start.cloud, progress)
        wait_settled(start.stack, start.connection, progress)
        save(start.place, start.connection)
    return start.connection


def _restore_golden(start: _Start, client: "docker.DockerClient", progress: Progress, *, fresh: bool) -> None:
    from lgtm_deploy.sandbox.images import ensure_standins  # noqa: PLC0415 - imports the SDKs

    with locked(start.home.path / "golden.lock", progress, "waiting for what runs today to be made"):
        if golden.has_golden(start.home, start.key) and not fresh:
            connection = start.connection
            ensure_standins(start.home, client, connection.choice, connection.build_args, progress)
        else:
            _make_golden(start, client, progress)
        golden.restore(start.home, start.place, start.key, start.ports)
        _applied(start).take(start.home.golden / start.key / _APPLIED)


def _prepare_change(
    home: Home, stack: Stack, connection: Connection, client: "docker.DockerClient", progress: Progress
) -> None:
    """Make the stand-ins that the stack's own files build on, where the start files build on others."""
    from lgtm_deploy.sandbox.images import ensure_standins  # noqa: PLC0415 - imports the SDKs
    from lgtm_deploy.sandbox.vendor_images import standins_of  # noqa: PLC0415 - imports the SDKs

    ensure_standins(home, client, standins_of(stack, connection.choice), connection.build_args, progress)


def _applied(start: _Start) -> AppliedFilesFolder:
    """The Terraform files that the stack was applied from, which a run can return to."""
    return AppliedFilesFolder(start.stack.directory, start.stack.environment.name)


def _make_golden(start: _Start, client: "docker.DockerClient", progress: Progress) -> None:
    from lgtm_deploy.sandbox.stack_up import bring_up  # noqa: PLC0415 - imports the SDKs

    progress("starting the local AWS")
    # Only an engine of the sandbox's own gets stand-ins under the vendors' names.
    has_standins = start.engine.own and start.connection.choice.of(Source.STANDIN)
    standins = standin_references() if has_standins else frozenset()
    awaited = (*(each.repository for each in start.stack.services.values()), *sorted(standins))
    start_cloud(start.home, start.place, replace(start.cloud, awaited=awaited), progress)
    bring_up(start.home, start.stack, start.connection, client, progress, standins=standins)
    wait_settled(start.stack, start.connection, progress)
    progress("keeping what runs today")
    save_and_stop_cloud(start.place, progress)
    golden.keep(start.home, start.place, start.key, start.ports)
    _applied(start).save_newest(start.home.golden / start.key / _APPLIED)
    wipe_state(start.place)


def _clear(home: Home, place: Place, progress: Progress) -> None:
    """Nothing of the sandbox runs afterwards, and nothing of its state is left."""
    place.connection.unlink(missing_ok=True)
    # First the cloud: it would replace the containers.
    kill_cloud(place, progress)
    engine = find_engine(home) if place.log.exists() else None
    if engine:
        remove_containers(engine, place.label, progress)
    wipe_state(place)
