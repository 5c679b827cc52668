"""How an image gets from the engine into a registry."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import docker

from lgtm_deploy.adapters.docker_stream import Message, engine_errors, follow, one_line
from lgtm_deploy.core.errors import TransientError
from lgtm_deploy.core.ports import Progress


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where an image goes: the repository's full address and a tag, and who may push there.

    `credentials` are `username` and `password`; they go to the engine in a header and nowhere else.
    """

    repository: str
    tag: str
    credentials: Mapping[str, str] = field(repr=False)


def push_image(engine: docker.DockerClient, image: str, to: Destination, progress: Progress) -> str:
    """Tags the image for its destination, pushes it and returns its digest. Raises PushError."""
    digest = ""
    with engine_errors(f"The push of {to.repository}:{to.tag}"):
        engine.api.tag(image, to.repository, to.tag, force=True)
        # It may forbid the push: the looks before it took time.
        progress("")

        def start() -> Iterable[Message]:
            messages: Iterable[Message] = engine.api.push(
                to.repository, tag=to.tag, auth_config=dict(to.credentials), stream=True, decode=True
            )
            return messages

        for message in follow(engine, start, progress):
            if "error" in message:
                raise PushError(one_line(message["error"]))
            digest = str((message.get("aux") or {}).get("Digest", digest))
            progress(" ".join(str(message.get(key, "")) for key in ("id", "status", "progress")).strip())
    if not digest:
        raise TransientError(f"The engine ended the push of {to.repository}:{to.tag} without a digest.")
    return digest


class PushError(Exception):
    """The engine could not push; its words, which begin with the registry's error code (`denied: …`)."""
