"""The stack's own text files that may name a service: build contexts, and the environment's Terraform."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from lgtm_deploy.core.stack import Stack
from lgtm_deploy.steps.terraform_files import root_files
from lgtm_deploy.steps.text_files import text_of

_SKIPPED_FOLDERS = frozenset({".git", ".terraform", ".lgtm-deploy", "node_modules", "__pycache__"})
# Prose, and what Terraform writes itself.
_SKIPPED_ENDINGS = (".md", ".rst", ".txt", ".lock.hcl", ".tfstate", ".tfstate.backup", ".tfplan", ".schema.json")


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
        for folder in root_files(stack.directory, root).modules:
            found = _texts(stack.directory / folder, deep=False)
            texts.update({_relative(stack, file): text for file, text in found})
        for file in (stack.directory / each for each in root.var_files):
            if (given := text_of(file)) is not None:
                texts[_relative(stack, file)] = given
    return texts, owners


def _texts(folder: Path, *, deep: bool = True) -> Iterator[tuple[Path, str]]:
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _SKIPPED_FOLDERS) if deep else []
        for name in sorted(names):
            file = Path(at) / name
            if not name.endswith(_SKIPPED_ENDINGS) and (text := text_of(file)) is not None:
                yield file, text


def _relative(stack: Stack, file: Path) -> str:
    """As a person at the stack file would write it."""
    return os.path.relpath(file.resolve(), stack.directory.resolve())
