"""The files a verb works on: stack and plan, checked and held against each other."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from lgtm_deploy.cli.settings import Settings
from lgtm_deploy.core.errors import UsageError

if TYPE_CHECKING:
    from lgtm_deploy.core.plan import Plan
    from lgtm_deploy.core.run import Run
    from lgtm_deploy.core.stack import Stack


def stack_file(settings: Settings) -> Path:
    """The stack file that was named, or is found upwards. Raises UsageError."""
    from lgtm_deploy.config import stack_file as files

    return settings.stack or files.find(Path.cwd())


def stack_directory(settings: Settings) -> Path:
    """The stack's own folder, beside which its runs are remembered. Raises UsageError."""
    return stack_file(settings).resolve().parent


def load_stack(settings: Settings) -> "Stack":
    """The stack in the environment that was named. Raises UsageError with file:line:column."""
    from lgtm_deploy.config import stack_file as files

    return files.load(stack_file(settings), settings.environment or None)


def load_plan(name: str, stack: "Stack | None") -> "Plan":
    """The plan of that name or path. Raises UsageError with file:line:column."""
    from lgtm_deploy.config import plan_file
    from lgtm_deploy.recipes.registry import recipes

    file = plan_file.find(name, Path.cwd())
    plan = plan_file.load(file, recipes(), stack)
    if stack is None or plan_file.comes_along(file):
        return plan
    return replace(plan, file=os.path.relpath(file.resolve(), stack.directory.resolve()))


def begun_plan(run: "Run", stack: "Stack") -> "Plan":
    """The plan that the run was begun with, from wherever one goes on with it.

    Raises UsageError: the plan file is not there, or a version without recipes began the run.
    """
    if not run.version:
        raise UsageError(
            f"Run {run.id} was begun by an earlier version of lgtm-deploy, whose plans had other steps.",
            resolution="Resume it, or undo it, with that version. `lgtm-deploy show` still shows it.",
        )
    if not run.plan_file:
        return load_plan(run.plan, stack)
    file = stack.directory / run.plan_file
    if not file.is_file():
        # In a checkout elsewhere it may be another way to it from here.
        with suppress(UsageError):
            if (plan := load_plan(run.plan, stack)).digest == run.plan_digest:
                return plan
        raise UsageError(
            f"The plan of run {run.id} is not there: {file}.",
            resolution="Bring it back as it was: to go on, and to undo, take what it says.",
        )
    return load_plan(str(file), stack)


def variables(plan: "Plan", given: list[str], before: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """`NAME=VALUE` words, and what the run was given `before`, as a mapping that has all that the plan needs.

    Raises UsageError, also when the two differ: what is done already was done with the earlier value.
    """
    from lgtm_deploy.core.masks import Masks

    found: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise UsageError(f"--var {name}: write it as NAME=VALUE.")
        if name in plan.secrets:
            raise UsageError(
                f"--var {name}: '{name}' is secret, and the command line can be seen by others.",
                resolution=f"Set {plan.secrets[name]} in the environment instead.",
            )
        found[name] = value
    secret = secret_variables(plan, before)
    # Where another variable holds a secret value too, the journal has a mask there.
    masks = Masks(values=secret)
    before = masks.unmasked(before)
    if differs := sorted(name for name in found.keys() & before.keys() if found[name] != before[name]):
        name = differs[0]
        raise UsageError(
            masks.masked(f"--var {name}={found[name]}: the run was begun with {name}={before[name]}."),
            resolution="Leave it out, or undo the run and apply the plan with the new value.",
        )
    found = {**plan.values, **before, **found, **secret}
    known = plan.variables
    if unknown := sorted(found.keys() - known):
        names = ", ".join(sorted(known)) or "none"
        raise UsageError(f"Plan '{plan.name}' has no variable '{unknown[0]}'.", resolution=f"It has: {names}.")
    if missing := sorted(known - found.keys()):
        raise UsageError(
            f"Plan '{plan.name}' needs a value for '{missing[0]}'.", resolution=f"Pass --var {missing[0]}=VALUE."
        )
    return found


def secret_variables(plan: "Plan", before: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """The values of the plan's secret variables, from the environment.

    Raises UsageError when one is missing or too short to be kept from what is told, or is not the one of which the run
    has the fingerprint from `before`.
    """
    from lgtm_deploy.core.masks import FEWEST_CHARACTERS, is_of

    found = {name: os.environ.get(variable, "") for name, variable in plan.secrets.items()}
    for name, value in found.items():
        variable = plan.secrets[name]
        if not value:
            raise UsageError(f"Plan '{plan.name}' needs the secret '{name}'.", resolution=f"Set {variable} to it.")
        if len(value) < FEWEST_CHARACTERS:
            raise UsageError(
                f"The secret '{name}' has fewer than {FEWEST_CHARACTERS} characters: it cannot be kept secret.",
                resolution=f"Set {variable} to a longer one.",
            )
        if name in before and not is_of(before[name], value):
            raise UsageError(
                f"The secret '{name}' is not the one that the run was begun with.",
                resolution=f"Set {variable} to that one.",
            )
    return found
