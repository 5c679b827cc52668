"""Recordings of real servers, as their files hold them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

EARLY = "early: "
FIRST_LOOK, LAST_LOOK = ", first look", ", last look"
# A request of each `wrong-methods…` recording names the start that it belongs to.
_START = re.compile(r"start \d+")
# Ports that a server opens when its configuration does not name them: OTLP, gRPC, memberlist.
_DEFAULT_PORTS = (4317, 4318, 9095, 7946)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and its recorded answer. `at` is in seconds since the start of the server."""

    name: str
    at: float
    request: Json
    response: Json
    found_after: float | None = None
    looked_for: float | None = None

    @property
    def status(self) -> int:
        """Return the status; 0 is no answer."""
        return int(self.response["status"])

    @property
    def hangs(self) -> bool:
        """Return true where no answer came in time."""
        return self.status == 0 and "timed out" in self.response.get("error", "")


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One server, version and configuration."""

    file: str
    data: Json
    exchanges: tuple[Exchange, ...]

    @property
    def name(self) -> str:
        """Return the name of the file without its ending."""
        return self.file.removesuffix(".json")

    @property
    def server(self) -> str:
        """Return the name of the server."""
        return str(self.data["server"])

    @property
    def port(self) -> int:
        """Return the port that requests go to unless they name another one."""
        return int(self.data["port"])

    @property
    def early(self) -> list[Exchange]:
        """Return the exchanges that were made before the server was ready."""
        return [each for each in self.exchanges if each.name.startswith(EARLY)]

    @property
    def main(self) -> list[Exchange]:
        """Return the exchanges that were made after the server was ready."""
        return [each for each in self.exchanges if not each.name.startswith(EARLY)]

    @property
    def starts(self) -> list[list[Exchange]]:
        """Return the exchanges of each fresh start; empty where the server was started once."""
        if self.data["first_ready_answers"]:
            return []
        groups: dict[str, list[Exchange]] = {}
        for each in self.exchanges:
            found = _START.match(each.name)
            groups.setdefault(found[0] if found else "", []).append(each)
        return list(groups.values())

    @property
    def ports(self) -> tuple[int, ...]:
        """Return every port that the server may listen on."""
        asked = {int(each.request["port"]) for each in self.exchanges if "port" in each.request}
        return tuple(sorted({self.port, *asked, *_DEFAULT_PORTS, *_configured(self.config)}))

    @property
    def config(self) -> Any:
        """Return the parsed configuration; None where it is no YAML."""
        try:
            return yaml.safe_load(self.data["config_yaml"])
        except yaml.YAMLError:
            return None

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Return the path prefixes that the configuration sets."""
        config = self.config if isinstance(self.config, Mapping) else {}
        server = config.get("server")
        found = (config.get("http_api_prefix"), server.get("http_path_prefix") if isinstance(server, Mapping) else "")
        return tuple(dict.fromkeys(str(each).rstrip("/") for each in found if each))


def load(folder: Path, pattern: str = "*") -> list[Recording]:
    """Read the recordings of a folder whose names match. Raise ValueError where a file is no recording."""
    return [read(path) for path in sorted(folder.glob("*.json")) if fnmatch(path.stem, pattern)]


def read(path: Path) -> Recording:
    """Read one recording. Raise ValueError where the file is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        exchanges = tuple(_exchange(each) for each in data["exchanges"])
        missing = {"server", "version", "config_name", "config_yaml", "flags", "port", "first_ready_answers"} - {*data}
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no recording: {error!r}.") from error
    if missing:
        raise ValueError(f"{path} is no recording: it lacks {', '.join(sorted(missing))}.")
    return Recording(file=path.name, data=data, exchanges=exchanges)


def _exchange(data: Json) -> Exchange:
    return Exchange(
        name=data["name"],
        at=float(data["at_s"]),
        request=data["request"],
        response=data["response"],
        found_after=data.get("found_after_s"),
        looked_for=data.get("looked_for_s"),
    )


def _configured(config: Any) -> Iterator[int]:
    """Yield the ports in `…_port: N` and `endpoint: HOST:N` of a configuration."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            if str(key).endswith("port") and isinstance(value, int):
                yield value
            elif str(key).endswith(("endpoint", "address")) and (found := re.fullmatch(r"[\w.]*:(\d+)", str(value))):
                yield int(found[1])
            else:
                yield from _configured(value)
    elif isinstance(config, Sequence) and not isinstance(config, str):
        for each in config:
            yield from _configured(each)
