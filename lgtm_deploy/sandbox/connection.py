"""How is a running sandbox reached?

Light to import: every verb with a sandbox environment asks this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lgtm_deploy.core.errors import NotFoundError
from lgtm_deploy.sandbox.child import recorded
from lgtm_deploy.sandbox.files import read_json, write_json
from lgtm_deploy.sandbox.home import Home, Place


@dataclass(frozen=True, kw_only=True)
class Connection:
    """What a caller needs to know of a running sandbox.

    `environment` is what every program that talks to it must have set: endpoint, dummy credentials, region, and
    configuration files of the sandbox's own in place of the user's. `build_args` select the stand-in base images.
    """

    name: str
    endpoint: str
    region: str
    account: str
    load_balancer_url: str
    docker_host: str
    build_args: Mapping[str, str]
    environment: Mapping[str, str]
    records: Path
    """What happened in the cloud, one JSON object a line, oldest first."""


def connect(home: Home, name: str) -> Connection:
    """The running sandbox of that name. Raises NotFoundError when it is not up."""
    place = home.place(name)
    found = read_json(place.connection)
    if not isinstance(found, dict) or recorded(place.process) is None:
        raise NotFoundError(f"The sandbox '{name}' is not up.", resolution="Start it with `lgtm-deploy sandbox up`.")
    return _parse(found)


def save(place: Place, connection: Connection) -> None:
    """Lets `connect` find the sandbox from now on."""
    write_json(place.connection, {**vars(connection), "records": str(connection.records)})


def _parse(found: dict[str, Any]) -> Connection:
    return Connection(**{**found, "records": Path(found["records"])})
