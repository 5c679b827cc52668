"""From a plan file to a Plan whose graph can run."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from lgtm_deploy.config.documents import checked, plan_document
from lgtm_deploy.config.source import Source, read
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.plan import Plan
from lgtm_deploy.core.recipe import Fault, Recipe, build, unknown_steps
from lgtm_deploy.core.stack import Stack

SUFFIX = ".yaml"


def folders(working_directory: Path) -> tuple[Path, ...]:
    """Where plans are looked for: the working directory's own `plans`, then those that come with the tool."""
    return (working_directory / "plans", _bundled())


def _bundled() -> Path:
    packaged = Path(str(files("lgtm_deploy"))) / "plans"
    # In a checkout the bundled plans stand beside the package, in a wheel inside it.
    return packaged if packaged.is_dir() else packaged.parent.parent / "plans"


def comes_along(file: Path) -> bool:
    """Whether it is one of those that come with the tool."""
    return file.resolve().parent == _bundled().resolve()


def available(working_directory: Path) -> Mapping[str, Path]:
    """Every plan by name; a plan of one's own hides a bundled one of the same name."""
    found: dict[str, Path] = {}
    for folder in reversed(folders(working_directory)):
        for file in sorted(folder.glob(f"*{SUFFIX}")):
            found[file.stem] = file
    return found


def find(plan: str, working_directory: Path) -> Path:
    """The file of a plan given by name or by path. Raises UsageError when there is none."""
    if plan.endswith((SUFFIX, ".yml")) or "/" in plan:
        return Path(plan)
    known = available(working_directory)
    if plan not in known:
        raise UsageError(f"There is no plan '{plan}'.", resolution=f"There are: {', '.join(sorted(known)) or 'none'}.")
    return known[plan]


def load(file: Path, recipes: Mapping[str, type[Recipe]], stack: Stack | None = None) -> Plan:
    """Return the plan, with its graph checked, and held against the stack where there is one.

    Raises UsageError at the first fault, with file:line:column.
    """
    source = read(file)
    recipe = _recipe(source, recipes)
    document = checked(plan_document(source.values["uses"], recipe), source)
    plan = Plan(
        name=document.name,
        description=document.description,
        recipe=checked(recipe, source, {name: getattr(document, name) for name in recipe.model_fields}),
        values=document.vars_,
        secrets=document.secrets,
        hooks=document.hooks.value(),
        timeout=document.timeout,
        timeouts=document.timeouts,
        retries={name: each.value() for name, each in document.retries.items()},
        on_failure=document.on_failure,
        digest=hashlib.sha256(source.text.encode()).hexdigest(),
    )
    _raise_first(source, plan.recipe.faults(stack) if plan.recipe else ())
    graph = build(plan, stack)
    _raise_first(source, unknown_steps(plan, graph))
    return replace(plan, variables=graph.variables)


def _recipe(source: Source, recipes: Mapping[str, type[Recipe]]) -> type[Recipe]:
    """Return the recipe that the file uses. Raises UsageError for a file of schema 1, and for an unknown recipe."""
    if source.values.get("schema") == 1:
        raise source.fault(
            ("schema",),
            "a plan file of schema 1 wires its steps, which recipes do now.",
            "Write `schema: 2`, `uses: health-check-migration`, and services, dependents, terraform and strategies in"
            " place of coupled, allow_sequence and steps; see plans/prefix-change.yaml.",
        )
    uses = source.values.get("uses")
    if uses in recipes:
        return recipes[uses]
    known = ", ".join(sorted(recipes))
    if uses is None:
        raise source.fault((), "'uses' is missing.", f"Name a recipe: {known}.")
    raise source.fault(("uses",), f"'{uses}' is not a recipe.", f"There are: {known}.")


def _raise_first(source: Source, faults: Iterable[Fault]) -> None:
    found = list(faults)
    if found:
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        raise source.fault(found[0].path, f"{found[0].message}{more}", found[0].resolution)
