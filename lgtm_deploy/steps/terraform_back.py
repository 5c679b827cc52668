"""Terraform's way back: by variables, by the files of its start state, and at last past Terraform (docs/adr/021)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from lgtm_deploy.core.errors import DeadlineError, PermanentError, TransientError
from lgtm_deploy.core.guard import TARGET_GROUPS
from lgtm_deploy.core.ports import HealthCheck, PlannedChanges, Ports, Progress
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.start_state import StartState
from lgtm_deploy.core.touched import Touched, differing, missing
from lgtm_deploy.steps.terraform_roots import (
    apply_plan,
    broken_by,
    folder,
    note_running,
    plan_from,
    readied,
    save_plan,
    start_files,
)

_CHECK = "health_check."


@dataclass(frozen=True, kw_only=True)
class Before:
    """How a root was before it was applied, as the journal has it: the declared `variables`, the health `checks` of the
    target groups that were touched, and the `start` state."""

    root: str
    touched: tuple[Touched, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, HealthCheck] = field(default_factory=dict)
    start: StartState = field(default_factory=StartState)


class WayBack:
    """Brings back what was touched, and nothing else."""

    def __init__(self, stack: Stack, ports: Ports, before: Before) -> None:
        self._stack = stack
        self._ports = ports
        self._before = before

    def go(self, progress: Progress) -> None:
        """Takes the first way that leads back. Raises PermanentError with what stays behind when none does, or when
        only the load balancer could be brought back."""
        reasons: list[str] = []
        by_files = "by the files that were applied" if self._before.start.kind == "files" else "by the earlier revision"
        for name, way in (("by variables", self._by_variables), (by_files, self._by_files)):
            try:
                way(progress)
            except (PermanentError, TransientError, DeadlineError) as error:
                reasons.append(f"{name}: {error.message}")
            else:
                return
        self._past_terraform(reasons)

    def differs(self) -> str:
        """What is not as it was; empty when all of it is."""
        lines = [line for each in self._checks() for line in self._of_check(each)]
        others = self._others()
        if not lines and others:
            lines = self._of_state(others)
        return "; ".join(lines)

    def _by_variables(self, progress: Progress) -> None:
        if not self._before.variables:
            raise PermanentError("the stack declares no variables for what was changed.")
        planned = save_plan(
            self._stack, self._ports, self._before.root, self._before.variables, progress, purpose="rollback"
        )
        self._held_against(planned)
        apply_plan(self._stack, self._ports, self._before.root, planned, progress)

    def _by_files(self, progress: Progress) -> None:
        name, start = self._before.root, self._before.start
        with start_files(self._ports, name, start, purpose="revision") as there:
            progress(f"planning {name} as of {start.commit[:8] or start.at[:16]}")
            here, planned = plan_from(self._stack, self._ports, name, there, progress, purpose="revision")
            self._held_against(planned)
            self._ports.infrastructure.apply(here, planned, progress)
        note_running(self._ports, name, start, progress)

    def _held_against(self, planned: PlannedChanges) -> None:
        """Raises PermanentError when the plan would change something else, or not bring everything back."""
        wrong = broken_by(self._before.root, planned, self._before.touched)
        if wrong:
            raise PermanentError(wrong)
        lines = missing(planned.document, self._before.touched) if planned.changes else ("it would change nothing",)
        if lines:
            raise PermanentError(f"it does not lead back: {'; '.join(lines)}.")

    def _past_terraform(self, reasons: Sequence[str]) -> None:
        """The load balancer asks again what the earlier tasks answer; that Terraform knows nothing of it is told."""
        done = [self._set(name, check) for name, check in self._health_checks().items()]
        drift = [
            f"{each.name}: {name} is {each.before.get(name, '?')}"
            for each in self._checks()
            for name in each.attributes
        ]
        left = [each.name for each in self._others()]
        told = [f"{' and '.join(done)} back by the API, and not in Terraform ({'; '.join(drift)})"] if done else []
        told += [f"left as it is: {', '.join(left)}"] if left else []
        told += reasons
        raise PermanentError(
            f"Terraform's root '{self._before.root}' has not come back: {'; '.join(told)}",
            resolution="Bring the configuration back and apply it: until then Terraform would set it anew.",
        )

    def _set(self, name: str, check: HealthCheck) -> str:
        group = self._ports.balancer.target_group(name)
        if group.health_check != check:
            self._ports.balancer.set_health_check(group.arn, check)
        return f"the health check of {name} is"

    def _health_checks(self) -> dict[str, HealthCheck]:
        """What each touched target group has to ask: as it asks now, but for what was touched."""
        wanted: dict[str, HealthCheck] = {}
        for each in self._checks():
            before = self._before.checks[each.named]
            now = wanted.get(each.named) or self._ports.balancer.target_group(each.named).health_check
            names = [name.removeprefix(_CHECK) for name in each.attributes]
            wanted[each.named] = replace(now, **{name: getattr(before, name) for name in names})
        return wanted

    def _checks(self) -> list[Touched]:
        """What was touched of health checks, and recorded: the load balancer itself can tell and set it."""
        known = (each for each in self._before.touched if each.named in self._before.checks)
        parts = (replace(each, attributes=checked(each)) for each in known)
        return [each for each in parts if each.attributes]

    def _others(self) -> list[Touched]:
        """What else was touched; outputs follow from it."""
        found: list[Touched] = []
        for each in self._before.touched:
            asked = checked(each) if each.named in self._before.checks else ()
            rest = tuple(name for name in each.attributes if name not in asked)
            if each.type != "output" and (rest or not each.is_update):
                found.append(replace(each, attributes=rest))
        return found

    def _of_check(self, each: Touched) -> list[str]:
        was, now = self._before.checks[each.named], self._ports.balancer.target_group(each.named).health_check
        return [
            f"{each.named}: {name} is {getattr(now, short)}, it was {getattr(was, short)}"
            for name in each.attributes
            if getattr(now, short := name.removeprefix(_CHECK)) != getattr(was, short)
        ]

    def _of_state(self, others: Sequence[Touched]) -> list[str]:
        readied(self._stack, self._ports, self._before.root, lambda _: None)
        known = self._ports.infrastructure.attributes(folder(self._stack, self._before.root))
        lines: list[str] = []
        for each in others:
            if each.is_update:
                lines += differing(each, known.get(each.name, {}), "is")
            elif (each.name in known) == (each.actions == ("delete",)) and each.actions != ("replace",):
                lines.append(f"{each.name} is {'still there' if each.name in known else 'still gone'}")
        return lines


def checked(each: Touched) -> tuple[str, ...]:
    """Which of the attributes are of a target group's health check, as the load balancer tells it."""
    known = {f"{_CHECK}{attribute.name}" for attribute in fields(HealthCheck)}
    is_group = each.type in TARGET_GROUPS and each.is_update and bool(each.named)
    return tuple(name for name in each.attributes if name in known) if is_group else ()


def checks_of(ports: Ports, touched: Sequence[Touched]) -> dict[str, HealthCheck]:
    """The health checks of the target groups that are touched, as they are now. Raises NotFoundError."""
    names = sorted({each.named for each in touched if checked(each)})
    return {name: ports.balancer.target_group(name).health_check for name in names}


def as_checked(touched: Sequence[Touched], checks: Mapping[str, HealthCheck]) -> tuple[Touched, ...]:
    """The same, with these health checks for what was before."""
    return tuple(
        replace(
            each,
            before={name: json.dumps(getattr(checks[each.named], name.removeprefix(_CHECK))) for name in checked(each)},
        )
        for each in touched
        if each.named in checks
    )
