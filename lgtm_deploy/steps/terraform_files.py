"""The files of a Terraform root and of the local modules that it calls, read from the stack's folder."""

import os
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from lgtm_deploy.core.stack import TerraformRoot
from lgtm_deploy.core.terraform_files import RootFiles

LOCK_FILE = ".terraform.lock.hcl"
_VARIABLE = "TF_VAR_"
_LARGEST = 1_000_000
_MODULE = re.compile(r"^\s*source\s*=\s*\"(?P<path>\.{1,2}/[^\"]*)\"", re.MULTILINE)


def root_files(directory: Path, root: TerraformRoot, environment: Mapping[str, str] = os.environ) -> RootFiles:
    """Return the root's files; `directory` is the stack file's folder. What cannot be read is left out.

    `environment` may set variables of Terraform.
    """
    folder = posixpath.normpath(root.root)
    modules: dict[str, dict[str, str]] = {}
    todo = [folder]
    while todo:
        at = todo.pop()
        if at in modules:
            continue
        modules[at] = _texts(directory, at, "*.tf")
        todo += [
            posixpath.normpath(posixpath.join(at, found["path"]))
            for text in modules[at].values()
            for found in _MODULE.finditer(text)
        ]
    # Terraform: "Variable Definition Precedence".
    values = {**_texts(directory, folder, "terraform.tfvars"), **_texts(directory, folder, "terraform.tfvars.json")}
    values |= _texts(directory, folder, "*.auto.tfvars", "*.auto.tfvars.json")
    for file in root.var_files:
        values.pop(file, None)
        values |= {file: text} if (text := _text(directory / file)) is not None else {}
    locked = (directory / folder / LOCK_FILE).is_file()
    return RootFiles(
        name=root.name,
        folder=folder,
        modules=modules,
        values=values,
        in_environment=frozenset(name.removeprefix(_VARIABLE) for name in environment if name.startswith(_VARIABLE)),
        locked=locked,
    )


def _texts(directory: Path, folder: str, *patterns: str) -> dict[str, str]:
    files = sorted(file for pattern in patterns for file in (directory / folder).glob(pattern))
    return {f"{folder}/{file.name}": text for file in files if (text := _text(file)) is not None}


def _text(file: Path) -> str | None:
    try:
        return None if file.stat().st_size > _LARGEST else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
