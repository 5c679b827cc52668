"""The lines of a configuration file without its comments, whatever kind of file it is."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

# Comment signs by a file's suffix; everything else is taken to comment as YAML, TOML and a shell do.
_SIGNS = {
    ".json": (),
    ".tf": ("#", "//"),
    ".tfvars": ("#", "//"),
    ".hcl": ("#", "//"),
    ".alloy": ("//",),
    ".river": ("//",),
    ".ini": ("#", ";"),
    ".xml": (),
}
_BLOCKS = frozenset({".tf", ".tfvars", ".hcl", ".alloy", ".river"})
# Prose for people, in Terraform variables and in dashboards.
_PROSE = re.compile(r"^\s*[\"']?description[\"']?\s*[:=]")
_OPENERS = " \t=[{(,:"


def code_lines(file: str, text: str) -> Iterator[tuple[int, str]]:
    """Line numbers, from 1, and what is left of each line once comments and descriptions are taken out."""
    suffix = PurePosixPath(file).suffix.lower()
    signs, blocks = _SIGNS.get(suffix, ("#",)), suffix in _BLOCKS
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        kept = ""
        rest = line
        while rest:
            if inside:
                _, ended, rest = rest.partition("*/")
                inside = not ended
                continue
            code, rest, inside = _cut(rest, signs, blocks=blocks)
            kept += code
        yield number, "" if _PROSE.match(kept) else kept.rstrip()


def _cut(line: str, signs: tuple[str, ...], *, blocks: bool) -> tuple[str, str, bool]:
    """The code up to the first comment, what follows a block comment's opening, and whether one has been opened.

    A sign counts at the start of a line or after a space, and not within quotes: `//` stands in every URL.
    """
    if not any(sign in line for sign in signs) and not (blocks and "/*" in line):
        return line, "", False
    quote = ""
    before = " "
    for at, sign in enumerate(line):
        if quote:
            quote = "" if sign == quote and before != "\\" else quote
        elif sign in "\"'" and before in _OPENERS:
            quote = sign
        elif blocks and line.startswith("/*", at):
            return line[:at], line[at + 2 :], True
        elif before in " \t" and line.startswith(signs, at):
            return line[:at], "", False
        before = sign
    return line, "", False
