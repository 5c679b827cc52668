"""The lines of a configuration file without its comments, whatever kind of file it is."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

# The comment signs of YAML, TOML, a shell, Terraform and Alloy; a semicolon only begins a line of an .ini file.
_SIGNS = ("#", "//")
# A path such as `/*` stands in files of other kinds.
_BLOCKS = frozenset({".tf", ".tfvars", ".hcl", ".alloy", ".river"})
# A comment of an .ini file, and prose for people, in Terraform variables and in dashboards.
_NO_CODE = re.compile(r"^\s*(;|[\"']?description[\"']?\s*[:=])")
_OPENERS = " \t=[{(,:"


def code_lines(file: str, text: str) -> Iterator[tuple[int, str]]:
    """Line numbers, from 1, and what is left of each line once comments and descriptions are taken out."""
    blocks = PurePosixPath(file).suffix.lower() in _BLOCKS
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        kept = ""
        rest = line
        while rest:
            if inside:
                _, ended, rest = rest.partition("*/")
                inside = not ended
                continue
            code, rest, inside = _cut(rest, blocks=blocks)
            kept += code
        yield number, "" if _NO_CODE.match(kept) else kept.rstrip()


def _cut(line: str, *, blocks: bool) -> tuple[str, str, bool]:
    """The code up to the first comment, what follows a block comment's opening, and whether one has been opened.

    A sign counts at the start of a line or after a space, and not within quotes: `//` stands in every URL.
    """
    if not any(sign in line for sign in (*_SIGNS, "/*")):
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
        elif before in " \t" and line.startswith(_SIGNS, at):
            return line[:at], "", False
        before = sign
    return line, "", False
