"""A Terraform root module as its files have it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lgtm_deploy.core.terraform_files.hcl import NotHclError, attributes, blocks, bodies, parsed
from lgtm_deploy.core.terraform_files.values import UNKNOWN, Scope

# The dependency lock file of a root (Terraform: "Dependency Lock File").
LOCK_FILE = ".terraform.lock.hcl"


@dataclass(frozen=True, kw_only=True)
class RootFiles:
    """The files of a root and of its local modules.

    `modules` is text by file, by folder; paths are relative to the stack file. `values` are files that set variables,
    what counts most last. `in_environment` are variables that `TF_VAR_…` sets here: they win over defaults only, and
    may be set otherwise elsewhere. `unread` are files of Terraform that are not read: those in JSON, those that are no
    text, and those larger than 1 MB. `locked`: it has a dependency lock file.
    """

    name: str
    folder: str
    modules: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    in_environment: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()
    locked: bool = True

    @property
    def texts(self) -> Iterator[str]:
        """Texts of all `.tf` files."""
        return (text for files in self.modules.values() for text in files.values())

    def scope(self) -> Scope:
        """Return what expressions of the root module may name. Raises NotHclError."""
        given: dict[str, Any] = dict.fromkeys(self.in_environment, UNKNOWN)
        for file, text in self.values.items():
            given |= _given(file, text)
        return module_scope(self.modules.get(self.folder, {}), given)

    def variable(self, path: str) -> Any:
        """Return the value of a variable, or of a part of it: `image_versions.tempo`. Raises NotHclError."""
        return self.scope().expression(f"var.{path}")

    def unreadable(self) -> Iterator[tuple[str, NotHclError]]:
        """Yield the files that cannot be parsed."""
        for files in (*self.modules.values(), self.values):
            for file, text in files.items():
                try:
                    _given(file, text)
                except NotHclError as error:
                    yield file, error


def _given(file: str, text: str) -> Mapping[str, Any]:
    """Return the variables that a file sets. Raises NotHclError."""
    if not file.endswith(".json"):
        return {name: Scope().value(value) for name, value in attributes(parsed(text)).items()}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise NotHclError(getattr(error, "lineno", 0), getattr(error, "colno", 0)) from error
    return found if isinstance(found, Mapping) else {}


def module_scope(files: Mapping[str, str], given: Mapping[str, Any]) -> Scope:
    """Return the scope of a module that is given these variables. Raises NotHclError."""
    variables: dict[str, Any] = {}
    local: dict[str, Any] = {}
    for text in files.values():
        document = parsed(text)
        for name, body in blocks(document, "variable"):
            variables[name] = Scope().value(body["default"]) if "default" in body else UNKNOWN
            # Terraform: "Disallowing Null Input Values": with nullable = false null stands for the default.
            if name in given and (given[name] is not None or body.get("nullable") is not False):
                variables[name] = given[name]
        for body in bodies(document, "locals"):
            local |= attributes(body)
    return Scope(variables=variables, locals=local)
