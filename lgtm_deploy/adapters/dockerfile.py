"""Which images a Dockerfile is built upon."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lgtm_deploy.core.errors import PermanentError

_ESCAPE = re.compile(r"^#\s*escape\s*=\s*([\\`])\s*$", re.IGNORECASE)
_HEREDOC = re.compile(r"<<-?\s*[\"']?([A-Za-z_]\w*)[\"']?")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::(?P<sign>[-+])(?P<word>[^}]*))?\}|(?P<bare>\w+))")
_FLAG_FROM = re.compile(r"^--from=(?P<image>\S+)$")
_MOUNT_FROM = re.compile(r"^--mount=(?:\S*,)?from=(?P<image>[^,\s]+)")


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction, continuation lines joined. `line` counts from 1."""

    name: str
    rest: str
    line: int


def base_images(dockerfile: str, build_args: Mapping[str, str]) -> tuple[str, ...]:
    """The images outside this Dockerfile that it takes something from, in order, each once; `scratch` is none.

    Only `ARG`s before the first `FROM` count in a `FROM`, and a build argument only where such an `ARG` declares it
    (Docker: Dockerfile reference, "Understand how ARG and FROM interact").
    """
    images: dict[str, None] = {}
    stages: set[str] = set()
    variables: dict[str, str] = {}
    in_stage = False
    for instruction in instructions(dockerfile):
        if instruction.name == "ARG" and not in_stage:
            variables.update(_declared(instruction.rest, build_args, variables))
        elif instruction.name == "FROM":
            in_stage = True
            image, stage = _from(instruction, variables)
            if image.lower() not in stages:
                images[image] = None
            stages.add(stage)
        elif instruction.name in {"COPY", "ADD", "RUN"}:
            images.update(dict.fromkeys(_sources(instruction, stages)))
    if not in_stage:
        raise PermanentError("The Dockerfile has no FROM.")
    return tuple(image for image in images if image != "scratch")


def instructions(dockerfile: str) -> Iterator[Instruction]:
    """The instructions in order; comments, continuation lines and here-documents taken care of."""
    lines = dockerfile.splitlines()
    escape = next((found[1] for found in map(_ESCAPE.match, lines[:1]) if found), "\\")
    position = 0
    while position < len(lines):
        first = position + 1
        text, position = _logical_line(lines, position, escape)
        name, _, rest = text.partition(" ")
        if not name:
            continue
        if name.upper() in {"RUN", "COPY", "ADD"}:
            for word in _HEREDOC.findall(rest):
                position = _after(lines, position, word)
        yield Instruction(name=name.upper(), rest=rest.strip(), line=first)


def _logical_line(lines: list[str], position: int, escape: str) -> tuple[str, int]:
    text = ""
    while position < len(lines):
        line = lines[position].strip()
        position += 1
        if line.startswith("#") or (text and not line):
            continue
        if not line.endswith(escape):
            return " ".join((text + line).split()), position
        text += line[: -len(escape)] + " "
    return " ".join(text.split()), position


def _after(lines: list[str], position: int, word: str) -> int:
    for offset, line in enumerate(lines[position:]):
        if line.strip() == word:
            return position + offset + 1
    # No such line: it was no here-document (`<<` may be arithmetic), so nothing is skipped.
    return position


def _declared(rest: str, build_args: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    declared: dict[str, str] = {}
    for word in rest.split():
        name, has_default, default = word.partition("=")
        if name in build_args:
            declared[name] = build_args[name]
        elif has_default:
            declared[name] = _substituted(default.strip("\"'"), {**variables, **declared})
    return declared


def _from(instruction: Instruction, variables: Mapping[str, str]) -> tuple[str, str]:
    words = [word for word in instruction.rest.split() if not word.startswith("--")]
    if not words:
        raise PermanentError(f"Dockerfile line {instruction.line}: FROM names no image.")
    image = _substituted(words[0].strip("\"'"), variables)
    if not image or image.endswith((":", "@")) or image.startswith(":"):
        raise PermanentError(
            f"Dockerfile line {instruction.line}: '{words[0]}' names no image with the build arguments given.",
            resolution="Give the missing build argument, or the ARG a default.",
        )
    return image, words[2].lower() if len(words) > 2 and words[1].upper() == "AS" else ""  # noqa: PLR2004 - FROM a AS b


def _sources(instruction: Instruction, stages: set[str]) -> Iterator[str]:
    pattern = _MOUNT_FROM if instruction.name == "RUN" else _FLAG_FROM
    for word in instruction.rest.split():
        if not word.startswith("--"):
            return
        found = pattern.match(word)
        if found and found["image"].lower() not in stages and not found["image"].isdigit():
            yield found["image"]


def _substituted(text: str, variables: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        known = variables.get(found["braced"] or found["bare"], "")
        if found["sign"] == "-":
            return known or found["word"]
        if found["sign"] == "+":
            return found["word"] if known else ""
        return known

    return _VARIABLE.sub(value, text)
