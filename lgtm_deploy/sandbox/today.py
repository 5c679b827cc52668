"""What runs today: the stack's files as they were one commit before the change, and a key that names their content."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.home import PACKAGE
from lgtm_deploy.sandbox.image_choice import Choice, Source
from lgtm_deploy.sandbox.installation import REQUIREMENTS

BASELINES = PACKAGE / "baselines"
_KEY_LENGTH = 16
_LEFT_OUT = {".terraform", ".lgtm-deploy", ".git", "__pycache__"}
_LOCK_FILE = ".terraform.lock.hcl"
# What a running stack is made by, next to the stack itself.
_MAKERS = ("shim", "standins", "base_image.py", "python_root.py", "today.py", "stack_up.py", "apply_roots.py")


def files_of_today(stack: Stack) -> Mapping[str, Path]:
    """Path in the stack -> file: the stack's own, overlaid with the baseline of the stack's name, if there is one."""
    return {**_files(stack.directory), **_files(BASELINES / stack.name)}


def key_of(stack: Stack, choice: Choice) -> str:
    """Names everything that the golden state is made from."""
    makers = {
        str(path.relative_to(PACKAGE)): path
        for name in _MAKERS
        for path in ([PACKAGE / name] if name.endswith(".py") else sorted((PACKAGE / name).rglob("*")))
        if path.suffix in {".py", ".json", ".yaml"}
    }
    # Terraform itself writes lock files, in trees that have none.
    files_that_count = {name: path for name, path in files_of_today(stack).items() if path.name != _LOCK_FILE}
    digest = hashlib.sha256(f"{stack.environment.name}\n".encode())
    for name, image in sorted(choice.images.items()):
        digest.update(f"{name} {image.source} {image.reference} {image.image}\n".encode())
    if choice.of(Source.STANDIN):
        digest.update(f"factor {choice.factor:g}\n".encode())
    for files in (files_that_count, makers, {REQUIREMENTS.name: REQUIREMENTS}):
        for name, path in sorted(files.items()):
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:_KEY_LENGTH]


def lay_out(stack: Stack, folder: Path) -> None:
    """Copies today's files into the folder; what was there before goes."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, path in files_of_today(stack).items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)


def _files(folder: Path) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in _walk(folder)} if folder.is_dir() else {}


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _LEFT_OUT:
            continue
        if path.is_dir():
            yield from _walk(path)
        elif path.is_file():
            yield path
