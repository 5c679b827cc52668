"""How is a running sandbox reached?

Light to import: every verb with a sandbox environment asks this.
"""

import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lgtm_deploy.core.errors import NotFoundError, UsageError
from lgtm_deploy.sandbox.child import recorded
from lgtm_deploy.sandbox.files import read_json, write_json
from lgtm_deploy.sandbox.home import Home, Place
from lgtm_deploy.sandbox.image_choice import BaseImage, Choice, Source

_KNOCK_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Connection:
    """What a caller needs to know of a running sandbox.

    `environment` is what every program that talks to it must have set: endpoint, dummy credentials, region, and
    configuration files of the sandbox's own in place of the user's. `build_args` are by service: they select the
    stand-in base images.
    """

    name: str
    endpoint: str
    region: str
    account: str
    load_balancer_url: str
    docker_host: str
    build_args: Mapping[str, Mapping[str, str]]
    environment: Mapping[str, str]
    records: Path
    """What happened in the cloud, one JSON object a line, oldest first."""
    choice: Choice
    """The base images that the sandbox was brought up with."""
    stack_environment: str = ""
    """The stack's environment that runs in it."""

    def refuse_unless(self, environment: str) -> None:
        """Raise UsageError when another environment of the stack runs in the sandbox."""
        if self.stack_environment not in ("", environment):
            raise UsageError(
                f"The sandbox '{self.name}' runs environment '{self.stack_environment}', and not '{environment}'.",
                resolution="Take it down first, or give each environment a sandbox of its own (LGTM_DEPLOY_SANDBOX).",
            )

    def base_images(self, versions: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
        """Return by service the origin of its base image in words; `versions` are newer ones in the stack file."""
        return {name: image.describe(versions.get(name, "")) for name, image in self.choice.images.items()}


def connect(home: Home, name: str) -> Connection:
    """Return the running sandbox of that name. Raise NotFoundError: it is not up, or its Docker Engine was killed."""
    found = running(home.place(name))
    if found is not None and listens(found.docker_host):
        return found
    why = "" if found is None else ": its Docker Engine does not answer"
    raise NotFoundError(f"The sandbox '{name}' is not up{why}.", resolution="Start it with `lgtm-deploy sandbox up`.")


def running(place: Place) -> Connection | None:
    """Return the sandbox whose local AWS runs there; None where none does."""
    return saved(place) if recorded(place.process) is not None else None


def listens(docker_host: str) -> bool:
    """Return whether a Docker Engine listens at a local address; at another one it is taken to."""
    if not docker_host.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as knock:
        knock.settimeout(_KNOCK_SECONDS)
        try:
            knock.connect(docker_host.removeprefix("unix://"))
        except TimeoutError:
            return True
        except OSError:
            return False
    return True


def save(place: Place, connection: Connection) -> None:
    """Lets `connect` find the sandbox from now on."""
    write_json(place.connection, {**asdict(connection), "records": str(connection.records)})


def saved(place: Place) -> Connection | None:
    """Return the connection that was saved last; None where there is none that this version can read."""
    found = read_json(place.connection)
    try:
        return _parse(found)
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def _parse(found: dict[str, Any]) -> Connection:
    choice = found["choice"]
    images = {
        name: BaseImage(**{**image, "source": Source(image["source"])}) for name, image in choice["images"].items()
    }
    return Connection(**{**found, "records": Path(found["records"]), "choice": Choice(**{**choice, "images": images})})
