"""Which values of the stack file does a run stand on, and which of them are others now?"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any

from lgtm_deploy.core.stack import Environment, Stack

# Of a service: what its way back does not ask for. A deployed run can be undone after its files were changed again.
_ONLY_FORWARDS = frozenset(
    {
        "kind",
        "context",
        "dockerfile",
        "version",
        "build_args",
        "prefix",
        "health.path",
        "health.body",
        "paths",
        "probes",
        "expects",
        "rehearsal",
        "hosts",
        "tenant",
        "headers",
    }
)
# Of an environment: where it is asked, and where its runs are remembered, are other questions than what it is.
_ELSEWHERE = frozenset({"name", "endpoint", "url", "state", "traces", "headers", "ca_bundle"})
# What a person writes into these may be secret.
_DIGESTED = frozenset({"build_args", "environment", "send", "headers"})
# A value that is longer is told by its digest, too.
_LONGEST = 120


def stack_inputs(stack: Stack, services: Collection[str], salt: str) -> dict[str, str]:
    """The values of these services and of the environment as the stack file has them, by their dotted names.

    What may be secret is told by a digest, salted so that nobody can look it up.
    """
    found = {
        f"services.{name}.{key}": text
        for name in sorted(services)
        if name in stack.services
        for key, text in _values(stack.services[name], salt)
    }
    environment = f"environments.{stack.environment.name}"
    return found | {f"{environment}.{key}": text for key, text in _values(stack.environment, salt)}


def differences(before: Mapping[str, str], now: Mapping[str, str], *, way_back: bool = False) -> list[str]:
    """What is another value now, a line each; with `way_back` only what undoing a run goes by. Nothing is known of a
    run without any values `before`: an earlier version began it."""
    if not before:
        return []
    return [
        f"{name} is {now.get(name) or 'not there'} (was {before.get(name) or 'not there'})"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name) and not (way_back and _only_forwards(name))
    ]


def _only_forwards(name: str) -> bool:
    kind, _, rest = name.partition(".")
    key = rest.partition(".")[2]
    if kind == "environments":
        return key.startswith("build_args")
    return any(key == each or key.startswith(f"{each}.") for each in _ONLY_FORWARDS)


def _values(holder: Any, salt: str, above: str = "") -> Iterator[tuple[str, str]]:
    """Every value that is set, by its dotted name."""
    for each in fields(holder):
        if isinstance(holder, Environment) and each.name in _ELSEWHERE:
            continue
        value = getattr(holder, each.name)
        # A field that a later version adds is no difference as long as nobody sets it.
        if value != each.default:
            yield from _told(f"{above}{each.name}", value, salt)


def _told(name: str, value: Any, salt: str) -> Iterator[tuple[str, str]]:
    if hasattr(value, "__dataclass_fields__"):
        yield from _values(value, salt, f"{name}.")
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _told(f"{name}.{key}", each, salt)
    elif isinstance(value, tuple):
        for number, each in enumerate(value, start=1):
            yield from _told(f"{name}.{number}", each, salt)
    elif value not in ("", None):
        text = value if isinstance(value, str) else json.dumps(value)
        secret = not _DIGESTED.isdisjoint(name.split("."))
        yield name, _digest(text, salt) if secret or len(text) > _LONGEST else text


def _digest(text: str, salt: str) -> str:
    return f"sha256:{hashlib.sha256(f'{salt}:{text}'.encode()).hexdigest()[:12]}"
