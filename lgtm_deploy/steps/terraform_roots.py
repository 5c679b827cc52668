"""What the Terraform steps share: saving a plan, holding it against what is allowed, and the variables that set health
checks."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from lgtm_deploy.core.errors import DeadlineError, PermanentError
from lgtm_deploy.core.guard import Allowance, breaches
from lgtm_deploy.core.ports import Clock, HealthCheck, PlannedChanges, Ports, Progress, Revision
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.start_state import StartState
from lgtm_deploy.core.touched import Touched

# So many lines are told of a plan that is refused.
_LINES = 12
# So long a plan may take whose only purpose is to see what an apply has done.
_LOOK_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Empty:
    """Nothing."""


@dataclass(frozen=True, kw_only=True)
class AppliedOutputs:
    """The revision that was applied, and whether there were uncommitted changes; without a commit nobody knows."""

    commit: str = ""
    dirty: bool = False


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A Terraform variable that the stack declares for an attribute of a target group's health check."""

    variable: str
    target_group: str
    attribute: str

    @property
    def path(self) -> str:
        """The attribute, as a Terraform plan has it."""
        return f"health_check.{self.attribute}"

    def value(self, check: HealthCheck) -> str:
        """What it is, as Terraform takes it."""
        return str(getattr(check, self.attribute))


def folder(stack: Stack, root: str) -> Path:
    """Where the root module is."""
    return stack.directory / stack.root(root).root


def readied(stack: Stack, ports: Ports, name: str, progress: Progress) -> None:
    """Has the root's providers and backend ready, at no cost where they are: a run may go on, or back, on another
    machine than it began on."""
    words = stack.root(name).backend_words(stack.directory)
    ports.infrastructure.init(folder(stack, name), words, progress)


def save_plan(
    stack: Stack,
    ports: Ports,
    name: str,
    variables: Mapping[str, str],
    progress: Progress,
    *,
    purpose: str,
    targets: Sequence[str] = (),
) -> PlannedChanges:
    """A plan of that root, in a file of the purpose's own: what was approved is never written over."""
    readied(stack, ports, name, progress)
    files = [stack.directory / each for each in stack.root(name).var_files]
    out = ports.workspace / f"{name}.{purpose}.tfplan"
    return ports.infrastructure.plan(folder(stack, name), files, variables, out, progress, targets=targets)


def plan_from(
    stack: Stack,
    ports: Ports,
    name: str,
    there: Callable[[Path], Path],
    progress: Progress,
    *,
    purpose: str,
    targets: Sequence[str] = (),
) -> tuple[Path, PlannedChanges]:
    """Save a plan of other files of that root, on its state; returns their folder and the plan.

    `there` gives where a path of the stack is among these files. Raises PermanentError: the root is not among them.
    """
    root = stack.root(name)
    here = there(folder(stack, name))
    # The backend is where the state is now.
    ports.infrastructure.init(here, root.backend_words(stack.directory), progress, copy_of=folder(stack, name))
    files = [_or_itself(there, stack.directory / each) for each in root.var_files]
    out = ports.workspace / f"{name}.{purpose}.tfplan"
    return here, ports.infrastructure.plan(here, files, {}, out, progress, targets=targets)


def _or_itself(there: Callable[[Path], Path], path: Path) -> Path:
    """A file of variables that is not under version control is taken as it is."""
    try:
        return there(path)
    except PermanentError:
        return path


def start_files(
    ports: Ports, name: str, start: StartState, *, purpose: str
) -> AbstractContextManager[Callable[[Path], Path]]:
    """Lay out the files of a start state beside the stack, until the context ends. Raises PermanentError."""
    into = ports.workspace / f"{name}.{purpose}"
    if start.kind == "revision":
        return ports.source.checkout(start.commit, into)
    if start.kind == "files":
        return ports.kept.laid_out(name, start.digest, into)
    if start.kind == "variables":
        raise PermanentError("none was looked for, as the declared variables led back.")
    raise PermanentError(f"{start.why_not or 'no start state is recorded'}.")


def sources_of(stack: Stack, ports: Ports, name: str) -> list[Path]:
    """Return all files and folders that the root's plans are made of."""
    root = stack.root(name)
    return [*ports.infrastructure.sources(folder(stack, name)), *root.given_files(stack.directory)]


def keep_applied(stack: Stack, ports: Ports, name: str, progress: Progress) -> None:
    """Keep the files that the root was applied from: a later run may return to them.

    An apply that has succeeded does not fail because of it.
    """
    try:
        ports.kept.keep(name, sources_of(stack, ports, name))
    except OSError as error:
        progress(f"the files of '{name}' that were applied cannot be kept: {error}")


def note_running(ports: Ports, name: str, start: StartState, progress: Progress) -> None:
    """Keep the files of a start state longer than those of attempts that are rolled back."""
    if start.kind == "files":
        try:
            ports.kept.runs(name, start.digest)
        except OSError as error:
            progress(f"the files of '{name}' that run may not be kept for long: {error}")


def briefly(clock: Clock) -> Progress:
    """For a plan that is only a look: it may wait for somebody else's state lock, but not for long."""
    end = clock.monotonic() + _LOOK_SECONDS

    def progress(_message: str) -> None:
        if clock.monotonic() > end:
            raise DeadlineError(f"not done after {_LOOK_SECONDS:g} s")

    return progress


def quiet(stack: Stack, ports: Ports, name: str, progress: Progress) -> None:
    """Returns once nobody holds the root's state lock: a Terraform outlives the process that began it, to write its
    state (adapters/terraform_program.py), and whoever may plan has the lock. Raises what a plan raises."""
    save_plan(stack, ports, name, {}, progress, purpose="recall")


def apply_plan(stack: Stack, ports: Ports, name: str, plan: PlannedChanges, progress: Progress) -> None:
    """Applies exactly that plan, and keeps the files that it was made from."""
    readied(stack, ports, name, progress)
    ports.infrastructure.apply(folder(stack, name), plan, progress)
    keep_applied(stack, ports, name, progress)


def out_of_date(stack: Stack, ports: Ports, name: str, plan: PlannedChanges) -> str:
    """Why the saved plan cannot be applied any more; empty when it can."""
    if ports.infrastructure.is_current(folder(stack, name), plan):
        return ""
    return "the state has changed since it was planned"


def broken_by(name: str, planned: PlannedChanges, allowed: Sequence[Allowance]) -> str:
    """What the plan would change and may not, in one line; empty when it may change all of it."""
    # Of a plan without any change Terraform says so itself, and nobody asked it for more.
    return too_much(name, breaches(planned.document, allowed) if planned.changes or planned.document else ())


def too_much(name: str, lines: Sequence[str]) -> str:
    """What a plan of that root would change and may not, in one line; empty when there are no lines."""
    if not lines:
        return ""
    more = f"; and {len(lines) - _LINES} more" if len(lines) > _LINES else ""
    return f"Terraform's plan of '{name}' changes what it may not: {'; '.join(lines[:_LINES])}{more}."


def settings(stack: Stack) -> list[Setting]:
    """Every variable that the stack declares for a health check."""
    found = []
    for service in stack.services.values():
        health = service.health
        for variable, attribute in (
            (health.variable, "path"),
            (health.matcher_variable, "matcher"),
            (health.unhealthy_threshold_variable, "unhealthy_threshold"),
        ):
            if variable and service.target_group:
                found.append(Setting(variable=variable, target_group=service.target_group, attribute=attribute))
    return found


def recorded(stack: Stack, ports: Ports) -> dict[str, str]:
    """What each declared variable would have to be for health checks to be as they are now.

    Raises NotFoundError when a target group is missing.
    """
    declared = settings(stack)
    checks = {name: ports.balancer.target_group(name).health_check for name in {each.target_group for each in declared}}
    return {each.variable: each.value(checks[each.target_group]) for each in declared}


def narrowed(stack: Stack, allowed: Sequence[Touched], variables: Mapping[str, str]) -> tuple[Touched, ...]:
    """Of what was changed in place, only the attributes that these variables set."""
    paths = {each.path for each in settings(stack) if each.variable in variables}
    return tuple(
        replace(each, attributes=tuple(path for path in each.attributes if path in paths))
        for each in allowed
        if each.is_update
    )


def without(stack: Stack, allowed: Sequence[Touched], variables: Mapping[str, str]) -> tuple[Touched, ...]:
    """All that was changed, but for the attributes that these variables set."""
    paths = {each.path for each in settings(stack) if each.variable in variables}
    kept = (
        replace(each, attributes=tuple(path for path in each.attributes if path not in paths))
        if each.is_update
        else each
        for each in allowed
    )
    return tuple(each for each in kept if each.attributes or not each.is_update)


def revision_of(stack: Stack, ports: Ports, name: str) -> Revision:
    """The revision of all that the root's plans are made of."""
    return ports.source.revision(sources_of(stack, ports, name))
