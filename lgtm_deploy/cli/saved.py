"""A preview kept in a file, to be approved by somebody and applied somewhere else: exactly that, or nothing."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lgtm_deploy.core.errors import RefusedError, UsageError
from lgtm_deploy.core.graph import Graph
from lgtm_deploy.core.plan import Plan
from lgtm_deploy.core.preview import Preview
from lgtm_deploy.core.run import Run
from lgtm_deploy.private import create_private

SCHEMA = 2
_HERE = "{workspace}"


@dataclass(frozen=True, kw_only=True)
class SavedPlan:
    """What was shown, and the files that were made for it: Terraform's saved plans.

    Images are not in it: they are built again where it is applied, and have to come out with the same identity.
    """

    plan: str
    digest: str
    graph: str
    version: str
    environment: str
    shown: tuple[tuple[str, tuple[str, ...]], ...]
    outputs: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, bytes]

    def check(self, plan: Plan, graph: Graph, environment: str) -> None:
        """Raises UsageError when it was made for another plan, another version of it, another environment, or by a
        version of this tool that builds other steps."""
        if (self.plan, self.environment) != (plan.name, environment):
            made, wanted = f"'{self.plan}' on '{self.environment}'", f"'{plan.name}' on '{environment}'"
            raise UsageError(f"The saved plan is for {made}, not for {wanted}.")
        if self.digest != plan.digest:
            raise UsageError(f"Plan '{plan.name}' has changed since it was saved.", resolution="Plan again.")
        if self.graph != graph.digest():
            raise UsageError(
                f"lgtm-deploy {self.version}, which saved the plan, builds other steps from '{plan.name}' or its stack"
                " file.",
                resolution="Plan again.",
            )

    def lay_out(self, workspace: Path) -> dict[str, dict[str, Any]]:
        """Puts its files into a run's workspace and returns the outputs of the steps that made them, by step."""
        for name, content in self.files.items():
            create_private(workspace / name, content)
        return {
            step: {name: _moved(value, _HERE, str(workspace)) for name, value in outputs.items()}
            for step, outputs in self.outputs.items()
        }

    def still_fits(self, preview: Preview) -> None:
        """Raises RefusedError when what would be done is not what was shown."""
        now = _shown(preview)
        if now != self.shown:
            changed = sorted({step for step, _ in set(now) ^ set(self.shown)})
            raise RefusedError(
                f"What would change is not what was planned: {', '.join(changed)}.", resolution="Plan again, and look."
            )


def save(file: Path, plan: Plan, preview: Preview, run: Run, workspace: Path) -> None:
    """Writes the plan into a file that only its owner can read: saved Terraform plans hold secrets.

    Raises UsageError when it cannot be written.
    """
    here = str(workspace)
    outputs = {step.id: dict(step.outputs) for step in run.steps.values() if here in str(step.outputs)}
    document = {
        "schema": SCHEMA,
        "plan": plan.name,
        "digest": plan.digest,
        "graph": run.graph_digest,
        "version": run.version,
        "environment": preview.environment,
        "shown": _shown(preview),
        "outputs": {
            step: {name: _moved(value, here, _HERE) for name, value in values.items()}
            for step, values in outputs.items()
        },
        "files": {
            each.name: base64.b64encode(each.read_bytes()).decode() for each in workspace.iterdir() if each.is_file()
        },
    }
    try:
        create_private(file, json.dumps(document).encode())
    except OSError as error:
        raise UsageError(f"Cannot write {file}: {error.strerror}.") from error


def read(file: Path) -> SavedPlan:
    """Raises UsageError: no such file, not a saved plan, one of another version of this tool."""
    try:
        found = json.loads(file.read_bytes())
        if found["schema"] != SCHEMA:
            raise UsageError(f"{file} was saved by another version of lgtm-deploy.", resolution="Plan again.")
        return SavedPlan(
            plan=found["plan"],
            digest=found["digest"],
            graph=found["graph"],
            version=found["version"],
            environment=found["environment"],
            shown=tuple((step, tuple(details)) for step, details in found["shown"]),
            outputs=found["outputs"],
            files={Path(name).name: base64.b64decode(content) for name, content in found["files"].items()},
        )
    except OSError as error:
        raise UsageError(f"Cannot read {file}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise UsageError(f"{file} is not a plan that `lgtm-deploy plan --out` saved.") from error


def _shown(preview: Preview) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Which steps change what: the summaries may tell of time, which goes on."""
    return tuple((line.step, line.details) for line in preview.lines)


def _moved(value: Any, old: str, new: str) -> Any:
    return value.replace(old, new) if isinstance(value, str) else value
