"""Watching deployments that somebody else may have started: nothing is locked, changed or remembered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lgtm_deploy.adapters.clock import SystemClock
from lgtm_deploy.cli import wiring
from lgtm_deploy.cli.memory import NoJournal
from lgtm_deploy.cli.screen import Screen
from lgtm_deploy.cli.settings import Settings
from lgtm_deploy.cli.signals import heeded
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.event import EXIT_CODES, RunStarted
from lgtm_deploy.core.gate import Gate
from lgtm_deploy.core.ports import RolloutPorts
from lgtm_deploy.core.run import Run, StepRun
from lgtm_deploy.core.settling import settled
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.watch import Watch, watch
from lgtm_deploy.steps.results import Deployment
from lgtm_deploy.steps.rollouts import Watched, look_at
from lgtm_deploy.steps.target_groups import group_of

_FAILED = 1
# What counts most comes first: whoever interrupted it knows; a failure is one, whatever else was superseded or late.
_ENDINGS = {
    "interrupted": EXIT_CODES["interrupted"],
    "failed": _FAILED,
    "superseded": EXIT_CODES["superseded"],
    "timed-out": EXIT_CODES["timed-out"],
}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How watching a service ended, in a word, and why."""

    word: str
    reason: str


def watch_services(settings: Settings, stack: Stack, services: Sequence[Service], seconds: float) -> Run:
    """Watches the newest deployment of each service, whoever started it.

    Raises NotFoundError (no such service there) and UsageError (credentials of another account, nothing deployed yet).
    """
    stack = wiring.settled(stack)
    seen = wiring.sights(stack)
    wiring.guard_account(stack, seen.caller)
    gates = {service.name: newest_gate(seen, service) for service in services}
    clock, stop = SystemClock(), CancellationToken()
    screen = Screen(settings, clock)
    writer = JournalWriter(Run(id=wiring.new_run_id()), NoJournal(), 0, [screen])
    steps: dict[str, tuple[str, ...]] = dict.fromkeys(gates, ())
    begun = RunStarted(
        at=clock.now(),
        plan="wait",
        plan_digest="",
        stack=stack.name,
        environment=stack.environment.name,
        by=wiring.caller_name(),
        steps=steps,
    )
    try:
        with heeded(stop, screen.notice):
            writer.commit(begun)
            return watch(Watch(gates=gates, seconds=seconds, writer=writer, clock=clock, stop=stop))
    finally:
        screen.close()


def newest_gate(seen: RolloutPorts, service: Service) -> Callable[[], Gate[str]]:
    """The gate of the deployment that is the service's newest now; one that comes later supersedes it.

    Raises NotFoundError, and UsageError when ECS knows of no deployment.
    """
    newest = seen.host.service(service.ecs_service).deployment
    if not newest:
        raise UsageError(f"{service.name}: ECS has no record of a deployment of {service.ecs_service}.")
    definition = seen.rollouts.deployment(newest).task_definition
    deployed = Deployment(service=service.name, deployment=newest, task_definition=definition, digest="")
    watched = Watched(deployed=deployed)

    def look() -> Gate[str]:
        group = group_of(seen.balancer, service)
        targets = seen.balancer.targets(group.arn) if group else ()
        return settled(look_at(seen, service, watched), group, targets)

    return look


def ending_of(step: StepRun) -> Ending:
    """How it ended for one service."""
    if step.status == "succeeded":
        return Ending(word="settled", reason=str(step.outputs.get("digest", "")))
    return Ending(word=step.kind or "interrupted", reason=step.reason.removeprefix(f"{step.id}: "))


def exit_code_of(run: Run) -> int:
    """0 when all have settled; else the code of what counts most."""
    words = {ending_of(step).word for step in run.steps.values()} - {"settled"}
    return next((code for word, code in _ENDINGS.items() if word in words), _FAILED if words else 0)
