"""The stack's Terraform roots, applied for the first time.

Not by saved plans, as releases are: nothing runs yet that a plan could harm, and one `apply` loads the provider once
instead of three times.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lgtm_deploy.adapters import child
from lgtm_deploy.adapters.applied_files import AppliedFilesFolder
from lgtm_deploy.adapters.terraform_init import local_modules
from lgtm_deploy.adapters.terraform_output import failure_of
from lgtm_deploy.core.errors import MissingToolError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.stack import Stack, TerraformRoot

# Terraform has a limit of its own for each resource; this one is for a Terraform that hangs.
LIMIT_SECONDS = 3600.0
_SETTING = re.compile(r'^\s*(bucket|dynamodb_table)\s*=\s*"([^"]+)"', re.MULTILINE)
_STATE_KEY = re.compile(r'backend\s+"s3"\s*\{[^}]*?\bkey\s*=\s*"([^"]+)"')


@dataclass(frozen=True, kw_only=True)
class StateStores:
    """Where Terraform keeps its states and locks, by the backend configuration files."""

    buckets: frozenset[str]
    lock_tables: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class RootApplier:
    """Applies roots of the stack that lies in `folder`. Terraform's own files go below `data`."""

    stack: Stack
    folder: Path
    data: Path
    environment: Mapping[str, str]

    def init(self, root: TerraformRoot, progress: Progress) -> None:
        """Prepares a root. Raises PermanentError with Terraform's first error."""
        progress(f"terraform init {root.name}")
        self._run(root, ["init", *(f"-backend-config={word}" for word in root.backend_words(self.folder))], progress)

    def apply(self, root: TerraformRoot, variables: Mapping[str, Any], progress: Progress) -> None:
        """Applies a root, with these variables over its files. Raises PermanentError with Terraform's first error."""
        progress(f"terraform apply {root.name}")
        given = self._data(root) / "sandbox.tfvars.json"
        given.write_text(json.dumps(variables), encoding="utf-8")
        files = [*(str(self.folder / file) for file in root.var_files), str(given)]
        # Nothing is there to be refreshed, and nobody else to be locked out.
        options = ["-auto-approve", "-refresh=false", "-lock=false", "-parallelism=20", "-compact-warnings"]
        self._run(root, ["apply", *options, *(f"-var-file={file}" for file in files)], progress)
        self._keep(root)

    def _keep(self, root: TerraformRoot) -> None:
        """Keep the files that were applied: the first run of lgtm-deploy can return to them."""
        folder = self.folder / root.root
        kept = AppliedFilesFolder(self.folder, self.stack.environment.name, kept_for=self.stack.directory)
        kept.keep(root.name, [folder, *local_modules(folder, self._data(root)), *root.given_files(self.folder)])

    def _run(self, root: TerraformRoot, arguments: list[str], progress: Progress) -> None:
        folder = self.folder / root.root
        command = child.Command(
            arguments=[program(), arguments[0], "-input=false", "-no-color", *arguments[1:]],
            directory=folder,
            environment={**os.environ, **self.environment, "TF_DATA_DIR": str(self._data(root))},
            limit=LIMIT_SECONDS,
        )
        try:
            done = child.run(command, _silently(progress))
        except child.KilledError as error:
            raise error.__cause__ or error from None
        if done.exit_code != 0:
            raise failure_of(f"terraform {arguments[0]}", folder, done.errors)

    def _data(self, root: TerraformRoot) -> Path:
        folder = self.data / root.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def program() -> str:
    """Terraform or OpenTofu. Raises MissingToolError."""
    found = shutil.which("terraform") or shutil.which("tofu")
    if found is None:
        raise MissingToolError("Terraform is not installed.", resolution="Put `terraform` or `tofu` on the PATH.")
    return found


def state_stores(stack: Stack, folder: Path) -> StateStores:
    """The buckets and lock tables that the roots' backend settings name."""
    roots = stack.environment.terraform.values()
    texts = {(folder / file).read_text(encoding="utf-8") for root in roots for file in root.backend_files}
    settings = {each.partition("=") for root in roots for each in root.backend_config if "=" in each}
    found = {match for text in texts for match in _SETTING.findall(text)}
    found |= {(name, value) for name, _, value in settings}
    return StateStores(
        buckets=frozenset(value for name, value in found if name == "bucket"),
        lock_tables=frozenset(value for name, value in found if name == "dynamodb_table"),
    )


def needs_of(stack: Stack, folder: Path) -> dict[str, set[str]]:
    """Root -> the roots before it in the stack file that it needs: those whose state it reads.

    A root that keeps its state nowhere that can be seen needs all before it, and is needed by all after it.
    """
    sources = {
        root.name: "\n".join(file.read_text(encoding="utf-8") for file in sorted((folder / root.root).glob("*.tf")))
        for root in stack.environment.terraform.values()
    }
    keys = {name: _STATE_KEY.search(source) for name, source in sources.items()}
    needs: dict[str, set[str]] = {}
    for name, source in sources.items():
        needs[name] = {
            other for other in needs if not (mine := keys[other]) or not keys[name] or f'"{mine.group(1)}"' in source
        }
    return needs


def _silently(progress: Progress) -> Callable[[str], None]:
    # Terraform's lines are many; that it still runs is enough.
    return lambda _line: progress("")
