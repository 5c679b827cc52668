"""The vendors' images in the sandbox's engine: whether they are there, whether they can be pulled, and the pull."""

import posixpath
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import docker
import requests
from docker.errors import DockerException, ImageNotFound

from lgtm_deploy.adapters.docker_stream import Message, follow, one_line
from lgtm_deploy.adapters.dockerfile import base_images
from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.sandbox.engine import Engine, client_of
from lgtm_deploy.sandbox.files import locked, read_json, write_json
from lgtm_deploy.sandbox.home import Home
from lgtm_deploy.sandbox.image_choice import (
    DEFAULT_FACTOR,
    BaseImage,
    Choice,
    Facts,
    Images,
    Source,
    Wanted,
    choose,
    has_standin,
    replaceable,
    short,
)

# The limit of `--images auto` for all services together is 5 s; the rest is for the engine's other answers.
ASK_SECONDS = 4
# An engine that pulls tells of each piece of a layer. Longer silence: the registry hangs.
SILENT_SECONDS = 30.0
_TELL_SECONDS = 2.0
_PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}


def choose_images(
    home: Home, stack: Stack, files: Mapping[str, Path], engine: Engine, *, wanted: Wanted, progress: Progress
) -> Choice:
    """Choose the base image of each service once, pull what is to be pulled, and return the choice.

    `files` maps paths in the stack to files. Raise PermanentError when `vendor` cannot pull, or a stand-in that is
    needed does not exist.
    """
    mode, factor = wanted.images or Images.AUTO, wanted.factor or DEFAULT_FACTOR
    busy = locked(home.path / "images.lock", progress, "waiting for another sandbox to choose its base images")
    with busy, closing(engine.client()) as client:
        progress("choosing the base images")
        facts = [facts_of(home, service, files, stack, client) for service in stack.services.values()]
        missing = list(dict.fromkeys(each.reference for each in facts if each.is_missing))
        refusal = why_not_pulled(engine.docker_host, missing, ASK_SECONDS) if missing and mode is Images.AUTO else ""
        choice = choose(mode, facts, refusal, factor)
        progress(f"base images: {choice.reason}")
        if not missing or choice.of(Source.STANDIN):
            return choice
        try:
            for reference in missing:
                _remember(home, "pulled", reference, pull(client, reference, progress))
        except PermanentError as error:
            if mode is Images.VENDOR:
                raise
            choice = choose(mode, facts, error.message.rstrip("."), factor)
            progress(f"base images: {choice.reason}")
            return choice
    images = {
        name: replace(image, image=image.image or _remembered(home, "pulled", image.reference))
        for name, image in choice.images.items()
    }
    return replace(choice, images=images)


def facts_of(
    home: Home, service: Service, files: Mapping[str, Path], stack: Stack, engine: docker.DockerClient
) -> Facts:
    """Return what the engine has of a service's base image. Raise PermanentError: the FROM line names no image."""
    dockerfile = dockerfile_of(service, files)
    if dockerfile is None:
        # Its build says so.
        return Facts(service=service.name)
    reference = replaceable(references_of(dockerfile, service, stack))
    image = image_of(engine, reference) if reference else ""
    if image == _remembered(home, "tagged", reference):
        image = ""
    pulled = image in ("", _remembered(home, "pulled", reference))
    return Facts(service=service.name, reference=reference, image=image, pulled=pulled)


def standins_of(stack: Stack, choice: Choice) -> Choice:
    """Return the stand-ins that the stack's own Dockerfiles build on, of services that have one in the choice."""
    found = {}
    for name in choice.of(Source.STANDIN):
        if name not in stack.services:
            continue
        dockerfile = stack.directory / stack.services[name].context / stack.services[name].dockerfile
        reference = replaceable(references_of(dockerfile, stack.services[name], stack))
        if reference not in ("", choice.images[name].reference) and has_standin(reference):
            found[name] = BaseImage(source=Source.STANDIN, reference=reference)
    return replace(choice, images=found)


def dockerfile_of(service: Service, files: Mapping[str, Path]) -> Path | None:
    """Return the service's Dockerfile among the files of the stack."""
    return files.get(posixpath.normpath(posixpath.join(service.context, service.dockerfile)))


def references_of(
    dockerfile: Path, service: Service, stack: Stack, more: Mapping[str, str] | None = None
) -> Sequence[str]:
    """Return the images that a service's Dockerfile builds on, with its build arguments and `more` filled in."""
    version = {"VERSION": service.version} if service.version else {}
    arguments = {**version, **stack.environment.build_args, **service.build_args, **(more or {})}
    return base_images(dockerfile.read_text(encoding="utf-8"), arguments)


def image_of(engine: docker.DockerClient, reference: str) -> str:
    """Return the engine's ID of the image of that name, else ''."""
    try:
        return str(engine.api.inspect_image(reference)["Id"])  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return ""


def platform_of(engine: docker.DockerClient) -> str:
    """Return the engine's platform, such as `linux/amd64`."""
    return _PLATFORMS.get(str(engine.info()["Architecture"]), "linux/amd64")


def why_not_pulled(docker_host: str, references: Sequence[str], seconds: int) -> str:
    """Return why not all of these images can be pulled, within that time; '' where they can.

    The engine is asked for their manifests (GET /distribution/NAME/json), so that its mirrors and credentials count.
    """

    def refusal(reference: str) -> str:
        try:
            with closing(client_of(docker_host, timeout=seconds)) as client:
                client.api.inspect_distribution(reference)  # type: ignore[no-untyped-call]
        except requests.Timeout:
            return f"{short(reference)} cannot be pulled: no answer from the registry within {seconds} s"
        except (DockerException, requests.RequestException) as error:
            return f"{short(reference)} cannot be pulled: {_words(error)}"
        return ""

    pool = ThreadPoolExecutor(max_workers=len(references), thread_name_prefix="registry")
    try:
        pending = {pool.submit(refusal, each) for each in references}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            if said := next((each.result() for each in done if each.result()), ""):
                return said
        return ""
    finally:
        # One refusal decides: the other answers are not waited for.
        pool.shutdown(wait=False, cancel_futures=True)


def pull(engine: docker.DockerClient, reference: str, progress: Progress) -> str:
    """Pull an image, tell how much of it has come, and return the engine's ID of it.

    Raise PermanentError in one line when the registry refuses, fails, or is silent for 30 s.
    """
    progress(f"pulling {short(reference)}")
    layers: dict[str, tuple[int, int]] = {}
    heard = told = time.monotonic()

    def watch(_text: str) -> None:
        progress("")
        if time.monotonic() - heard > SILENT_SECONDS:
            raise _failure(reference, f"the registry has been silent for {SILENT_SECONDS:g} s")

    def start() -> Sequence[Message]:
        found: Sequence[Message] = engine.api.pull(reference, platform=platform, stream=True, decode=True)
        return found

    platform = platform_of(engine)
    try:
        for message in follow(engine, start, watch):
            heard = time.monotonic()
            if "error" in message:
                raise _failure(reference, str(message["error"]))
            _count(layers, message)
            if layers and heard - told > _TELL_SECONDS:
                told = heard
                done, total = (sum(each[which] for each in layers.values()) / 1e6 for which in (0, 1))
                progress(f"pulling {short(reference)}: {done:.0f} of {total:.0f} MB")
    except (DockerException, requests.RequestException) as error:
        raise _failure(reference, _words(error)) from error
    return image_of(engine, reference)


def tag_standin(home: Home, engine: docker.DockerClient, standin: str, image: BaseImage) -> None:
    """Give a stand-in the vendor's name, for Dockerfiles that take no registry.

    It replaces an image that the sandbox pulled. Raise PermanentError when the engine has another image of that name:
    it is a person's, and stays.
    """
    there, ours = image_of(engine, image.reference), image_of(engine, standin)
    own = [_remembered(home, name, image.reference) for name in ("tagged", "pulled")]
    if there not in ("", ours, *own):
        raise PermanentError(
            f"The Docker Engine has an image {short(image.reference)}, which a stand-in cannot replace.",
            resolution="Use it (`--images auto`), or let the Dockerfile take the registry as `ARG BASE_REGISTRY`.",
        )
    repository, _, version = image.reference.rpartition(":")
    engine.api.tag(standin, repository, version)
    _remember(home, "tagged", image.reference, ours)


def _count(layers: dict[str, tuple[int, int]], message: Message) -> None:
    detail = message.get("progressDetail") or {}
    if message.get("status") == "Downloading" and detail.get("total"):
        layers[str(message["id"])] = (int(detail["current"]), int(detail["total"]))
    elif message.get("status") == "Download complete" and message.get("id") in layers:
        total = layers[str(message["id"])][1]
        layers[str(message["id"])] = (total, total)


def _failure(reference: str, why: str) -> PermanentError:
    return PermanentError(
        f"{short(reference)} cannot be pulled: {one_line(why)}.",
        resolution="Load the image into the sandbox's Docker Engine under that name, or pass `--images standin`.",
    )


def _words(error: Exception) -> str:
    return one_line(getattr(error, "explanation", None) or error)


def _remembered(home: Home, kind: str, reference: str) -> str:
    """Return the ID of the image that the sandbox pulled, or gave the vendor's name (`tagged`); '' for none.

    `docker.io/grafana/tempo` and `grafana/tempo` are one name.
    """
    known: Mapping[str, str] = (read_json(home.vendor_images) or {}).get(kind, {})
    return {short(name): image for name, image in known.items()}.get(short(reference), "")


def _remember(home: Home, kind: str, reference: str, image: str) -> None:
    with locked(home.vendor_images.with_suffix(".lock"), lambda _text: None):
        known = read_json(home.vendor_images) or {}
        write_json(home.vendor_images, {**known, kind: {**known.get(kind, {}), short(reference): image}})
