"""The files of a Terraform root and of the local modules that it calls, read from the stack's folder."""

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path

from lgtm_deploy.core.stack import TerraformRoot
from lgtm_deploy.core.terraform_files import LOCK_FILE, RootFiles, local_sources
from lgtm_deploy.steps.text_files import text_of

_VARIABLE = "TF_VAR_"


def root_files(directory: Path, root: TerraformRoot, environment: Mapping[str, str] = os.environ) -> RootFiles:
    """Return the root's files; `directory` is the stack file's folder. `environment` may set variables of Terraform."""
    folder = posixpath.normpath(root.root)
    modules: dict[str, dict[str, str]] = {}
    unread: list[str] = []
    todo = [folder]
    while todo:
        at = todo.pop()
        if at in modules:
            continue
        modules[at] = _texts(directory, at, "*.tf")
        unread += [file for file in _names(directory, at, "*.tf", "*.tf.json") if file not in modules[at]]
        called = [source for text in modules[at].values() for source in local_sources(text)]
        todo += [posixpath.normpath(posixpath.join(at, source)) for source in called]
    # Terraform: "Variable Definition Precedence".
    values = {**_texts(directory, folder, "terraform.tfvars"), **_texts(directory, folder, "terraform.tfvars.json")}
    values |= _texts(directory, folder, "*.auto.tfvars", "*.auto.tfvars.json")
    for file in root.var_files:
        values.pop(file, None)
        values |= {file: text} if (text := text_of(directory / file)) is not None else {}
    locked = (directory / folder / LOCK_FILE).is_file()
    return RootFiles(
        name=root.name,
        folder=folder,
        modules=modules,
        values=values,
        in_environment=frozenset(name.removeprefix(_VARIABLE) for name in environment if name.startswith(_VARIABLE)),
        unread=tuple(unread),
        locked=locked,
    )


def _texts(directory: Path, folder: str, *patterns: str) -> dict[str, str]:
    files = _names(directory, folder, *patterns)
    return {file: text for file in files if (text := text_of(directory / file)) is not None}


def _names(directory: Path, folder: str, *patterns: str) -> list[str]:
    # Terraform passes over hidden files, too.
    names = sorted(file.name for pattern in patterns for file in (directory / folder).glob(pattern))
    return [f"{folder}/{name}" for name in names if not name.startswith(".")]
