"""From a plan file to a Plan whose graph can run."""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path

from lgtm_deploy.config.documents import PlanDocument, checked
from lgtm_deploy.config.source import Source, read
from lgtm_deploy.core.check import Catalog, faults
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.graph import Path as FaultPath
from lgtm_deploy.core.order import uncovered, unplanned
from lgtm_deploy.core.plan import Plan, StepSpec
from lgtm_deploy.core.reference import references
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


def load(file: Path, catalog: Catalog, stack: Stack | None = None) -> Plan:
    """The plan, with its graph checked, and held against the stack where there is one.

    Raises UsageError at the first fault, with file:line:column.
    """
    source = read(file)
    document = checked(PlanDocument, source)
    plan = Plan(
        name=document.name,
        description=document.description,
        services=tuple(document.services),
        coupled=tuple(document.coupled),
        allow_sequence=tuple(document.allow_sequence),
        steps={
            name: StepSpec(
                id=name,
                uses=step.uses,
                title=step.title,
                needs=tuple(step.needs),
                for_each=tuple(step.for_each) if isinstance(step.for_each, list) else step.for_each,
                with_=step.with_,
                retry=step.retry.value(),
                timeout=step.timeout,
            )
            for name, step in document.steps.items()
        },
        secrets=document.secrets,
        hooks=document.hooks.value(),
        timeout=document.timeout,
        on_failure=document.on_failure,
        digest=hashlib.sha256(source.text.encode()).hexdigest(),
    )
    _check(source, plan, catalog)
    if stack is not None:
        _check_against(source, plan, stack)
        for fault in (*uncovered(plan, stack, catalog), *unplanned(plan, stack, catalog)):
            raise source.fault(fault.path, fault.message, fault.resolution)
    return plan


def _check(source: Source, plan: Plan, catalog: Catalog) -> None:
    found = faults(plan, catalog)
    if found:
        first = found[0]
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        raise source.fault(first.path, f"{first.message}{more}", first.resolution)


def _check_against(source: Source, plan: Plan, stack: Stack) -> None:
    """The services and Terraform roots that the plan names are in the stack."""
    named: list[tuple[FaultPath, Callable[[], object]]] = [
        ((key, position), partial(stack.service, name))
        for key, names in (("services", plan.services), ("coupled", plan.coupled))
        for position, name in enumerate(names)
    ]
    for step in plan.steps.values():
        for key, find_in_stack in (("service", stack.service), ("root", stack.root)):
            value = step.with_.get(key)
            if isinstance(value, str) and not any(references(value)):
                named.append((("steps", step.id, "with", key), partial(find_in_stack, value)))
    for path, check in named:
        try:
            check()
        except UsageError as error:
            raise source.fault(path, error.message, error.resolution) from error


def variables(plan: Plan) -> set[str]:
    """The `vars` that the plan's steps refer to."""
    written = [value for step in plan.steps.values() for value in (step.with_, step.title)]
    return {each.variable for value in written for each in references(value) if each.variable}
