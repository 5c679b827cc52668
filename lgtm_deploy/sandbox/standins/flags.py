"""What does the command line ask for? Go's flag syntax, with one dash or two."""

from __future__ import annotations

from dataclasses import dataclass

BOOLEANS = {"config.expand-env", "config.verify", "verify-config", "version", "log-config-reverse-order"}
TRUE = {"true", "t", "1", "yes"}


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The flags that a stand-in heeds; others are accepted and ignored, as none of them changes an answer."""

    config_file: str = ""
    expand_env: bool = False
    verify: bool = False
    version: bool = False


def parse(arguments: list[str]) -> Flags:
    """Read `-name=value`, `-name value` and `-name`."""
    seen: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name, equals, value = rest.pop(0).lstrip("-").partition("=")
        if not equals:
            value = "true" if name in BOOLEANS or not rest or rest[0].startswith("-") else rest.pop(0)
        seen[name] = value
    return Flags(
        config_file=seen.get("config.file", ""),
        expand_env=seen.get("config.expand-env", "") in TRUE,
        verify=TRUE & {seen.get("config.verify", ""), seen.get("verify-config", "")} != set(),
        version=seen.get("version", "") in TRUE,
    )
