"""How an image gets from a registry into the engine, for a while."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping

import docker
from docker.errors import APIError, ImageNotFound

from lgtm_deploy.adapters.docker_leavings import Leavings
from lgtm_deploy.adapters.docker_stream import Message, engine_errors, follow, one_line
from lgtm_deploy.core.errors import AccessError, MissingToolError, NotFoundError, PermanentError, TransientError
from lgtm_deploy.core.ports import Progress

Credentials = Callable[[], Mapping[str, str]]


@contextlib.contextmanager
def borrowed(
    engine: docker.DockerClient, leavings: Leavings, reference: str, credentials: Credentials, progress: Progress
) -> Iterator[str]:
    """The image in the engine, by its id. One that had to be pulled is removed again in the end.

    Raises NotFoundError (the registry does not have it), AccessError.
    """
    with engine_errors(f"Image {reference}"):
        found = _id(engine, reference)
        if found and not leavings.is_borrowed(reference):
            yield found
            return
        note = leavings.borrow(reference)
    try:
        with engine_errors(f"The pull of {reference}"):
            if not found:
                _pull(engine, reference, credentials(), progress)
            found = _id(engine, reference)
        if not found:
            raise TransientError(f"The engine ended the pull of {reference} without an image.")
        yield found
    finally:
        leavings.release(note, reference)


def _id(engine: docker.DockerClient, reference: str) -> str:
    try:
        return str(engine.api.inspect_image(reference)["Id"])  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return ""


def _pull(engine: docker.DockerClient, reference: str, credentials: Mapping[str, str], progress: Progress) -> None:
    def start() -> Iterable[Message]:
        messages: Iterable[Message] = engine.api.pull(
            reference, auth_config=dict(credentials), stream=True, decode=True
        )
        return messages

    try:
        for message in follow(engine, start, progress):
            if "error" in message:
                raise _refusal(reference, str(message["error"]))
            progress(" ".join(str(message.get(key, "")) for key in ("id", "status", "progress")).strip())
    except APIError as error:
        raise _refusal(reference, str(error.explanation or error)) from error


def _refusal(reference: str, said: str) -> PermanentError | TransientError:
    words = one_line(said)
    lowered = words.lower()
    if "no matching manifest" in lowered or "does not match the specified platform" in lowered:
        return MissingToolError(
            f"Image {reference} is not made for this machine's processor: {words}.",
            resolution="Run this on a machine that the image is made for.",
        )
    if "not found" in lowered or "manifest unknown" in lowered:
        return NotFoundError(f"Image {reference} is not in the registry: {words}.")
    if "denied" in lowered or "unauthorized" in lowered or "no basic auth" in lowered:
        return AccessError(f"Image {reference} may not be pulled: {words}.")
    return TransientError(f"Image {reference} cannot be pulled: {words}.")
