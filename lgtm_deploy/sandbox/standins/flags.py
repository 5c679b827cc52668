"""The command line, in the syntax of Go's flag package: one dash or two."""

from __future__ import annotations

from dataclasses import dataclass

# Flags without a value. Those that change no answer are accepted.
BOOLEANS = {"config.expand-env", "config.verify", "verify-config", "version", "print-config-stderr"}
KNOWN = BOOLEANS | {"config.file", "target", "log.level"}
TRUE = {"true", "t", "1"}


class FlagError(Exception):
    """A flag that the program does not have; the text is what Go's flag package says."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The flags that a stand-in heeds."""

    config_file: str = ""
    expand_env: bool = False
    verify: bool = False
    version: bool = False


def parse(arguments: list[str], *, strict: bool = True) -> Flags:
    """Read `-name=value`, `-name value` and `-name`. Raises FlagError where a flag is not known."""
    given: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name, equals, value = rest.pop(0).lstrip("-").partition("=")
        if strict and name not in KNOWN:
            raise FlagError(f"flag provided but not defined: -{name}")
        if not equals:
            value = "true" if name in BOOLEANS or not rest or rest[0].startswith("-") else rest.pop(0)
        given[name] = value
    return Flags(
        config_file=given.get("config.file", ""),
        expand_env=given.get("config.expand-env", "") in TRUE,
        verify=bool(TRUE & {given.get("config.verify", ""), given.get("verify-config", "")}),
        version=given.get("version", "") in TRUE,
    )
