"""The request headers that a stack file configures, with their values."""

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.masks import FEWEST_CHARACTERS
from lgtm_deploy.core.stack import Header, Stack

_PORTS = {"http": 80, "https": 443}
# RFC 9110, 11.4: a scheme and credentials, such as `Basic dXNlcjpwYXNz`. A server may quote the credentials alone.
_CREDENTIALS = re.compile(r"[A-Za-z][A-Za-z0-9_-]* (\S+)")
# RFC 9110, 5.5, without what is not ASCII. A line break would start another header.
_VALUE = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True, kw_only=True)
class RequestHeaders:
    """Values of request headers by service. `secrets` are those that came from environment variables, by variable."""

    services: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, stack: Stack, variables: Mapping[str, str]) -> "RequestHeaders":
        """Return the headers of a stack. `variables` is the environment of the process.

        A service's own header replaces that of the environment. Raises UsageError: a variable is not set, or its value
        cannot be sent or kept secret.
        """
        merged = {
            name: tuple({each.name.lower(): each for each in (*stack.environment.headers, *service.headers)}.values())
            for name, service in stack.services.items()
        }
        secrets: dict[str, str] = {}
        for header in {each for headers in merged.values() for each in headers if each.variable}:
            value = _secret(header, variables)
            secrets[header.variable] = value
            credentials = _CREDENTIALS.fullmatch(value)
            if credentials and len(credentials[1]) >= FEWEST_CHARACTERS:
                secrets[f"{header.variable}, credentials"] = credentials[1]
            secrets.update(_decoded(header.variable, value))
        return cls(
            services={
                name: {each.name: secrets[each.variable] if each.variable else each.value for each in headers}
                for name, headers in merged.items()
                if headers
            },
            secrets=secrets,
        )


def is_own_url(url: str, own: str) -> bool:
    """Return whether a URL is at the same scheme, host and port as the stack's own, or at its https:// twin.

    The twin is port 443 of the same host, where the own URL is http:// at port 80: its listener redirects there.
    """
    here, there = urlsplit(own), urlsplit(url)
    if here.hostname != there.hostname:
        return False
    ports = [each.port or _PORTS.get(each.scheme, 0) for each in (here, there)]
    if here.scheme == there.scheme:
        return ports[0] == ports[1]
    return here.scheme == "http" and there.scheme == "https" and ports == [_PORTS["http"], _PORTS["https"]]


def _decoded(variable: str, value: str) -> dict[str, str]:
    """Return the user and password that a `Basic` value encodes, and the password alone (RFC 7617, 2)."""
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        pair = b64decode(encoded.strip(), validate=True).decode()
    except ValueError:
        return {}
    found = {f"{variable}, user and password": pair, f"{variable}, password": pair.partition(":")[2]}
    return {name: each for name, each in found.items() if len(each) >= FEWEST_CHARACTERS}


def _secret(header: Header, variables: Mapping[str, str]) -> str:
    variable = header.variable
    value = variables.get(variable, "").strip()
    if not value:
        raise UsageError(
            f"The request header {header.name} needs the environment variable {variable}, which is not set.",
            resolution=f"Set {variable}, or remove the header from `headers` in the stack file.",
        )
    if not _VALUE.fullmatch(value):
        raise UsageError(
            f"The value of {variable} cannot be sent as the request header {header.name}.",
            resolution="Use printable ASCII characters in one line.",
        )
    if len(value) < FEWEST_CHARACTERS:
        raise UsageError(
            f"The value of {variable} has fewer than {FEWEST_CHARACTERS} characters: it cannot be kept secret.",
            resolution=f"Set {variable} to a longer value, or write the value into the stack file if it is no secret.",
        )
    return value
