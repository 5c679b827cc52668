"""Saved plans that change health check paths."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import PlannedChanges, Progress, ResourceChange
from lgtm_deploy.fakes.cloud import FakeCloud, FakeRoot
from lgtm_deploy.fakes.targets import replace_path


class FakeInfrastructure:
    """Terraform roots of a FakeCloud; plans are real files."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def init(self, root: Path, backend_config: Sequence[Path], progress: Progress) -> None:
        """Prepares the root. Raises PermanentError when it does not exist or is broken."""
        progress("Initializing the backend...")
        self._cloud.perform(
            "infrastructure.init", lambda: self._root(root), root=root, backend_config=tuple(backend_config)
        )

    def plan(
        self, root: Path, var_files: Sequence[Path], variables: Mapping[str, str], out: Path, progress: Progress
    ) -> PlannedChanges:
        """Saves a plan into `out`, readable by its owner only."""
        progress("Refreshing state...")
        return self._cloud.perform(
            "infrastructure.plan",
            lambda: self._plan(self._root(root), variables, out),
            root=root,
            var_files=tuple(var_files),
            variables=dict(variables),
            out=out,
        )

    def apply(self, root: Path, plan: PlannedChanges, progress: Progress) -> None:
        """Applies exactly that saved plan. Raises PermanentError when it is stale or its file was changed."""
        progress("Modifying...")
        self._cloud.perform("infrastructure.apply", lambda: self._apply(self._root(root), plan), root=root, plan=plan)

    def _root(self, root: Path) -> FakeRoot:
        found = self._cloud.roots.get(root.resolve())
        if found is None:
            raise PermanentError(f"The Terraform root {root} does not exist.")
        if found.error:
            raise PermanentError(found.error)
        return found

    def _plan(self, root: FakeRoot, variables: Mapping[str, str], out: Path) -> PlannedChanges:
        unknown = sorted(variables.keys() - root.variables.keys())
        if unknown:
            raise PermanentError(f"Value for undeclared variable: '{unknown[0]}'.")
        paths = root.paths | {root.variables[name]: value for name, value in variables.items()}
        changes = tuple(
            _change(group, self._cloud.groups[group].health_check.path, path)
            for group, path in sorted(paths.items())
            if group in self._cloud.groups and self._cloud.groups[group].health_check.path != path
        )
        text = json.dumps({"serial": root.serial, "paths": paths})
        out.parent.mkdir(parents=True, exist_ok=True)
        out.unlink(missing_ok=True)
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return PlannedChanges(file=out, sha256=hashlib.sha256(text.encode()).hexdigest(), changes=changes)

    def _apply(self, root: FakeRoot, plan: PlannedChanges) -> None:
        if not plan.file.is_file():
            raise PermanentError(f"The saved plan {plan.file} is gone.", resolution="Plan again.")
        content = plan.file.read_bytes()
        if hashlib.sha256(content).hexdigest() != plan.sha256:
            raise PermanentError(f"The saved plan {plan.file} is not the one that was shown.")
        saved = json.loads(content)
        if saved["serial"] != root.serial:
            raise PermanentError("The saved plan is stale, the state changed since.", resolution="Plan again.")
        for name, path in saved["paths"].items():
            if name in self._cloud.groups:
                group = self._cloud.groups[name]
                group.health_check = replace_path(group.health_check, path)
        root.serial += 1


def _change(group: str, before: str, after: str) -> ResourceChange:
    return ResourceChange(
        address=f'aws_lb_target_group.this["{group}"]',
        type="aws_lb_target_group",
        actions=("update",),
        before={"name": group, "health_check": [{"path": before}]},
        after={"name": group, "health_check": [{"path": after}]},
    )
