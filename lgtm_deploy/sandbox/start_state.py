"""The files that a sandbox starts with, and a key that names their content.

They are the stack's own files. Those of the folder `start_state` of the stack file replace the files at the same
relative paths: the stack as it runs today, where the stack's own files are the change to come.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from lgtm_deploy.config.stack_file import FILE_NAME, load
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.terraform_files import LOCK_FILE
from lgtm_deploy.sandbox.home import PACKAGE
from lgtm_deploy.sandbox.image_choice import Choice, Source
from lgtm_deploy.sandbox.installation import REQUIREMENTS
from lgtm_deploy.sandbox.stack_secrets import secret_values

_KEY_LENGTH = 16
_LEFT_OUT = {".terraform", ".lgtm-deploy", ".git", "__pycache__"}
# What a running stack is made by, next to the stack itself.
_MAKERS = (
    "shim",
    "standins",
    "base_image.py",
    "python_root.py",
    "start_state.py",
    "stack_up.py",
    "apply_roots.py",
    "named_tags.py",
    "stack_secrets.py",
)


def start_files(stack: Stack) -> Mapping[str, Path]:
    """Return path in the stack -> file: the stack's own files, with those of its start state in their place.

    The folder of the start state itself is no part of them.
    """
    if not stack.start_state:
        return _files(stack.directory)
    folder = stack.directory / stack.start_state
    return {**_files(stack.directory, without=folder), **_files(folder)}


def left_out(stack: Stack) -> str:
    """Return a line where the start state has a file of another environment, and not the one of this; else ''."""
    if not stack.start_state:
        return ""
    before, mine = _files(stack.directory / stack.start_state), stack.environment.name
    for name in before:
        for other in stack.other_environments:
            twin = re.sub(rf"(?<![A-Za-z0-9]){re.escape(other)}(?![A-Za-z0-9])", mine, name)
            if twin != name and twin not in before and (stack.directory / twin).is_file():
                return (
                    f"the start state has {name} and no {twin}: this file is taken as it will be, not as it runs today"
                )
    return ""


def key_of(stack: Stack, choice: Choice) -> str:
    """Name everything that the golden state is made from. Raise UsageError for a secret without a value."""
    makers = {
        str(path.relative_to(PACKAGE)): path
        for name in _MAKERS
        for path in ([PACKAGE / name] if name.endswith(".py") else sorted((PACKAGE / name).rglob("*")))
        if path.suffix in {".py", ".json", ".yaml"}
    }
    # Terraform itself writes lock files, in trees that have none.
    files_that_count = {name: path for name, path in start_files(stack).items() if path.name != LOCK_FILE}
    digest = hashlib.sha256(f"{stack.environment.name}\n".encode())
    for name, image in sorted(choice.images.items()):
        digest.update(f"{name} {image.source} {image.reference} {image.image}\n".encode())
    for name, value in sorted(secret_values(stack).items()):
        digest.update(f"{name} {hashlib.sha256(value.encode()).hexdigest()}\n".encode())
    if choice.of(Source.STANDIN):
        digest.update(f"factor {choice.factor:g}\n".encode())
    for files in (files_that_count, makers, {REQUIREMENTS.name: REQUIREMENTS}):
        for name, path in sorted(files.items()):
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:_KEY_LENGTH]


def lay_out(stack: Stack, folder: Path) -> None:
    """Copy the start files into the folder, byte for byte; what was there before goes.

    A link to a file that is copied too stays a link.
    """
    shutil.rmtree(folder, ignore_errors=True)
    files = start_files(stack)
    for name, path in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        is_kept = path.is_symlink() and os.path.normpath(Path(name).parent / path.readlink()) in files
        shutil.copy2(path, target, follow_symlinks=not is_kept)


def started(stack: Stack, folder: Path) -> Stack:
    """Lay the start files out in the folder, and return the stack as they describe it.

    Versions of base images, for one, stand in Dockerfiles and in Terraform variables. Raises UsageError.
    """
    lay_out(stack, folder)
    if not stack.start_state or not (folder / FILE_NAME).is_file():
        return stack
    before = load(folder / FILE_NAME, stack.environment.name, is_started=True)
    return replace(stack, services=before.services, environment=before.environment)


def _files(folder: Path, *, without: Path | None = None) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in _walk(folder, without)}


def _walk(folder: Path, without: Path | None) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _LEFT_OUT or path == without:
            continue
        if path.is_dir():
            yield from _walk(path, without)
        elif path.is_file():
            yield path
