"""Who names a service in the stack's own files, and whether that still works once its paths have moved."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lgtm_deploy.core.mentions import Mention, mentions
from lgtm_deploy.core.routes import Routes
from lgtm_deploy.core.stack import Service

# broken: it will find nothing. follows: it finds nothing before the change. unclear: nobody can tell from the file.
Outcome = Literal["broken", "follows", "unclear"]


@dataclass(frozen=True, kw_only=True)
class Named:
    """A place that names a service on one of its paths: `instead` is what it has to say, where that is known."""

    file: str
    line: int
    service: str
    says: str
    outcome: Outcome
    instead: str = ""
    why: str = ""

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        """The place, what it says, what that means, and what it must say."""
        said = f"{self.place} says {self.says}: {self.why}"
        return f"{said}; write {self.instead}" if self.instead else said


def named(
    files: Mapping[str, str],
    services: Iterable[Service],
    owners: Mapping[str, Service] | None = None,
    *,
    environment: str = "",
    others: Sequence[str] = (),
) -> list[Named]:
    """Where these files (path -> text) name services whose routes change, other than on paths that stay.

    `owners` says in whose image a file ends: there, `localhost` is that service. A host that has the name of one of the
    `others` in its own, and not that of the `environment`, is theirs: what changes here does not touch it.
    """
    changing = [service for service in services if Routes.of(service).changed]
    found: list[Named] = []
    for file, text in sorted(files.items()):
        owner = (owners or {}).get(file)
        for service in changing:
            hosts = _hosts(service) | ({"localhost", "127.0.0.1"} if owner and owner.name == service.name else set())
            for mention in mentions(file, text, hosts=frozenset(hosts), port=service.port):
                if mention.host in hosts or not _is_of_another(mention.host, environment, others):
                    found += _judged(file, mention, service)
    return found


def _is_of_another(host: str, environment: str, others: Sequence[str]) -> bool:
    """The longest name in the host counts: `prod-eu` is not `prod`."""
    names = sorted(filter(None, (environment, *others)), key=len, reverse=True)
    named = next(
        (name for name in names if re.search(rf"(?<![a-z0-9]){re.escape(name.lower())}(?![a-z0-9])", host)), ""
    )
    return named in others


def _hosts(service: Service) -> set[str]:
    return {service.name.lower(), *(host.lower() for host in service.hosts)}


def _judged(file: str, mention: Mention, service: Service) -> Iterator[Named]:
    routes = Routes.of(service)
    if mention.filled_in:
        if routes.fate(mention.path or "") != "stays":
            yield _told(file, mention, service, "unclear", why=f"whether that is {service.name} here cannot be seen")
        return
    if mention.path is None:
        yield _told(file, mention, service, "unclear", why=f"which path of {service.name} it asks cannot be seen")
        return
    fate = routes.fate(mention.path)
    if fate == "follows":
        yield _told(file, mention, service, "follows", why=f"that is there once {service.name} has changed")
    elif fate == "drops":
        yield _told(file, mention, service, "broken", why=f"{service.name} answers it no longer after the change")
    elif fate in ("moves", "base"):
        where = "its paths move" if fate == "base" else f"{mention.path} moves"
        yield _told(
            file, mention, service, "broken", why=f"{where} under {routes.prefix}", instead=mention.under(routes.prefix)
        )
    elif fate == "unknown":
        why = f"the stack file does not say what becomes of {mention.path} of {service.name}"
        yield _told(file, mention, service, "unclear", why=why)


def _told(file: str, mention: Mention, service: Service, outcome: Outcome, *, why: str, instead: str = "") -> Named:
    return Named(
        file=file,
        line=mention.line,
        service=service.name,
        says=mention.says,
        outcome=outcome,
        instead=instead,
        why=why,
    )
