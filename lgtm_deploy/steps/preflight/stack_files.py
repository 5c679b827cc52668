"""The stack's own text files that may name a service: build contexts, and the environment's Terraform."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lgtm_deploy.core.stack import Stack

LARGEST = 1_000_000
_SKIPPED_FOLDERS = frozenset({".git", ".terraform", ".lgtm-deploy", "node_modules", "__pycache__"})
# Prose, and what Terraform writes itself.
_SKIPPED_ENDINGS = (".md", ".rst", ".txt", ".lock.hcl", ".tfstate", ".tfstate.backup", ".tfplan", ".schema.json")
_MODULE = re.compile(r"^\s*source\s*=\s*\"(?P<path>\.{1,2}/[^\"]*)\"", re.MULTILINE)


def stack_files(stack: Stack) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Text by path (relative to the stack file), and by path the service in whose image a file ends.

    A file that is larger than 1 MB, or no text, is passed over.
    """
    texts: dict[str, str] = {}
    owners: dict[str, str] = {}
    for service in stack.services.values():
        for file, text in _texts(stack.directory / service.context):
            path = _relative(stack, file)
            texts[path] = text
            owners[path] = service.name
    for root in stack.environment.terraform.values():
        for folder in _with_modules(stack.directory / root.root):
            texts.update({_relative(stack, file): text for file, text in _texts(folder, deep=False)})
        for file in (stack.directory / each for each in root.var_files):
            if (found := text_of(file)) is not None:
                texts[_relative(stack, file)] = found
    return texts, owners


def _texts(folder: Path, *, deep: bool = True) -> Iterator[tuple[Path, str]]:
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _SKIPPED_FOLDERS) if deep else []
        for name in sorted(names):
            file = Path(at) / name
            if not name.endswith(_SKIPPED_ENDINGS) and (text := text_of(file)) is not None:
                yield file, text


def text_of(file: Path) -> str | None:
    """Return the text of a file; None: it is larger than 1 MB, or no text, or not there."""
    try:
        if file.stat().st_size > LARGEST:
            return None
        content = file.read_bytes()
    except OSError:
        return None
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _with_modules(root: Path) -> Iterator[Path]:
    """The root module and the local modules that it calls, however deep."""
    todo, seen = [root.resolve()], set[Path]()
    while todo:
        folder = todo.pop()
        if folder in seen or not folder.is_dir():
            continue
        seen.add(folder)
        yield folder
        for file in sorted(folder.glob("*.tf")):
            todo += [(folder / found["path"]).resolve() for found in _MODULE.finditer(text_of(file) or "")]


def _relative(stack: Stack, file: Path) -> str:
    """As a person at the stack file would write it."""
    return os.path.relpath(file.resolve(), stack.directory.resolve())
