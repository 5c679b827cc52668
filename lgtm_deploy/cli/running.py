"""One run of a plan: the world, the lock, the screen, the signals, and back."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from lgtm_deploy.adapters.command import run_hook
from lgtm_deploy.cli import debug, memory, wiring
from lgtm_deploy.cli.saved import SavedPlan, save
from lgtm_deploy.cli.screen import Screen
from lgtm_deploy.cli.settings import Settings
from lgtm_deploy.cli.signals import heeded, interruptible
from lgtm_deploy.cli.witness import watch_during
from lgtm_deploy.core.errors import InDoubtError, JournalError, LockHeldError, UsageError
from lgtm_deploy.core.event import EXIT_CODES, RESUMABLE, Record, RunFinished
from lgtm_deploy.core.graph import Graph
from lgtm_deploy.core.masks import Masks
from lgtm_deploy.core.order import turns
from lgtm_deploy.core.plan import Plan
from lgtm_deploy.core.ports import Clock, Journal, Ports
from lgtm_deploy.core.preview import Finding, Preview
from lgtm_deploy.core.recipe import build
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.stack_inputs import differences, stack_inputs
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.conduct import Decisions, conduct, foresee
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.history import refuse_when_changed_since, unfinished_run
from lgtm_deploy.engine.journal_writer import JournalWriter, Listener
from lgtm_deploy.engine.lease import LockRequest, keep_lease
from lgtm_deploy.engine.undo import nothing_to_undo, undo


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked of a run on the command line. `seconds` is the time allowed for all of it; `anew`: it may begin
    although an earlier run was stopped half-way. `lock_wait`: so many seconds it waits for the environment."""

    variables: Mapping[str, str]
    parallelism: int
    seconds: float
    ask: bool
    roll_back: bool
    anew: bool = False
    lock_wait: float = 0.0
    undo: bool = False
    """What the run has changed is to be brought back."""
    watch: bool = False
    """Whether services are asked all the while, and how they answered is written down."""
    saved: SavedPlan | None = None


def run_plan(settings: Settings, stack: Stack, plan: Plan, graph: Graph, wanted: Wanted) -> Run:
    """Runs the plan under the environment's lock.

    Raises DeployError when it cannot even begin: among others when the last run on this environment was stopped
    half-way. What that run had found, such as a grace period it holds, only its own journal knows.
    """
    return _run(settings, _Subject(stack=stack, plan=plan, graph=graph), wanted, Run(id=wiring.new_run_id()))


def resume_run(settings: Settings, stack: Stack, plan: Plan, wanted: Wanted, run: Run) -> Run:
    """Goes on with a run that was stopped or killed: what is done is not done again, what was under way is looked at.

    Raises UsageError when it has its verdict, or its plan or what it stands on in the stack file has changed since.
    """
    _check_open(run)
    return _run(settings, _begun_with(stack, plan, run, way_back=run.rolling_back), wanted, run)


def undo_run(settings: Settings, stack: Stack, plan: Plan, wanted: Wanted, run: Run) -> Run:
    """Brings back what the run had found: a finished one as well as one that was stopped or killed.

    Raises UsageError when its plan has changed since, or the stack file in what undoing it goes by; RefusedError when
    somebody has changed the environment since.
    """
    return _run(settings, _begun_with(stack, plan, run, way_back=True), wanted, run)


def _begun_with(stack: Stack, plan: Plan, run: Run, *, way_back: bool = False) -> "_Subject":
    """What that run was begun with."""
    if run.plan_digest != plan.digest:
        raise UsageError(
            f"Plan '{plan.name}' has changed since run {run.id} began.",
            resolution="Bring the plan file back as it was.",
        )
    now = stack_inputs(stack, plan.changed, run.id)
    if differs := differences(run.stack_inputs, now, way_back=way_back):
        raise UsageError(
            f"The stack file has changed since run {run.id} began: {'; '.join(differs)}.",
            resolution="Bring it back as it was.",
        )
    graph = build(plan, stack)
    needed = {need for name in run.steps if name in graph.nodes for need in graph.nodes[name].needs}
    kept = graph.part(run.steps) if needed <= run.steps.keys() else Graph()
    # Undoing a run goes by its journal: only the order of the steps must be the same.
    same = kept.digest() == run.graph_digest
    if not same and not (way_back and {name: set(node.needs) for name, node in kept.nodes.items()} == _needs(run)):
        raise UsageError(
            f"Run {run.id} was begun by lgtm-deploy {run.version}, which builds other steps from plan '{plan.name}'.",
            resolution="Resume it, or undo it, with that version.",
        )
    return _Subject(stack=stack, plan=plan, graph=kept)


def _needs(run: Run) -> dict[str, set[str]]:
    return {step.id: set(step.needs) for step in run.steps.values()}


def _run(settings: Settings, subject: "_Subject", wanted: Wanted, run: Run) -> Run:
    stack = wiring.settled(subject.stack)
    seen = wiring.sights(stack)
    wiring.guard_account(stack, seen.caller)
    workspace = wiring.Workspace(stack, run.id)
    world = wiring.ports(stack, seen, workspace.path)
    masks = wiring.masks(stack, subject.plan, wanted.variables)
    debug.redact(masks)
    screen = Screen(settings, world.clock)
    stop = CancellationToken()
    writer: JournalWriter | None = None
    request = LockRequest(
        environment=stack.environment.name, run=run.id, holder=wiring.caller_name(), wait=wanted.lock_wait
    )
    lock = memory.lock(stack, world.clock)
    try:
        with (
            masks.over_errors(),
            heeded(stop, screen.notice),
            keep_lease(lock, request, clock=world.clock, stop=stop, tell=screen.notice) as keeper,
        ):
            seen.permit.bind(keeper.check)
            remembered = memory.journal(stack)
            run = _begun(remembered, run, wanted, stack.environment.name)
            workspace.make()
            writer = JournalWriter(run, remembered, keeper.lease.fence, [screen], masks)
            decisions = Decisions(
                approve=_Approval(screen, stop, wanted, masks),
                asks=wanted.ask,
                roll_back=wanted.roll_back,
                prepared=masks.unmasked(wanted.saved.lay_out(workspace.path)) if wanted.saved else {},
            )
            job = replace(subject, stack=stack).job(world, writer, stop, wanted)
            inputs = stack_inputs(subject.stack, subject.plan.changed, run.id)
            job = replace(job, guard=keeper.check, takeover=keeper.lease.takeover, stack_inputs=inputs)
            job = replace(job, base_images=wiring.base_images(subject.stack))
            if wanted.watch:
                job = replace(job, closing=watch_during(stack, world, screen.notice))
            by = wiring.caller_name()
            if wanted.undo and nothing_to_undo(run):
                screen.notice(nothing_to_undo(run))
            elif wanted.undo:
                run = undo(job, decisions, run_hook, by=by)
            else:
                run = conduct(job, decisions, run_hook, stack=stack.name, by=by)
    except LockHeldError as error:
        _tell_locked(screen, world, run.id, error)
        raise
    except JournalError as error:
        if writer is None or writer.run.verdict or not any(step.acted for step in writer.run.steps.values()):
            raise
        # Not the end of a run: it has changed something, and nobody could write down how that went.
        verb = "rollback" if wanted.undo else "resume"
        raise InDoubtError(
            f"Run {run.id} could not be written down any more: {error.message}",
            resolution=f"Everything that was announced is there: go on with `lgtm-deploy {verb} {run.id}` once it can.",
        ) from error
    finally:
        workspace.remove_if_empty()
        screen.close()
    if run.verdict and run.verdict not in RESUMABLE:
        workspace.remove()
    return run


def _begun(remembered: Journal, run: Run, wanted: Wanted, environment: str) -> Run:
    """The run as its journal has it now that nobody else can write there, unless it may not go on or not begin."""
    if run.started is not None:
        # Whoever held the environment until now may have gone on with it.
        run = wiring.run_so_far(remembered, run.id)
    if wanted.undo:
        refuse_when_changed_since(remembered, run)
        return run
    if run.started is not None:
        _check_open(run)
        refuse_when_changed_since(remembered, run, goes_on=True)
    stopped = unfinished_run(remembered, environment)
    if stopped not in ("", run.id) and not wanted.anew:
        raise UsageError(
            f"Run {stopped} on '{environment}' was stopped half-way.",
            resolution=f"Go on with `lgtm-deploy resume {stopped}`, undo it with `lgtm-deploy rollback {stopped}`,"
            " or begin all the same with --anew.",
        )
    return run


def _check_open(run: Run) -> None:
    if run.verdict is not None and run.verdict not in RESUMABLE:
        raise UsageError(f"Run {run.id} has ended: {run.verdict}.", resolution="Apply the plan again.")


def foresee_plan(
    settings: Settings, stack: Stack, plan: Plan, variables: Mapping[str, str], *, out: Path | None = None
) -> Preview:
    """What the run would change, kept in the file `out` where there is one.

    It takes no lock and is not remembered. Raises DeployError when it would refuse.
    """
    base_images = wiring.base_images(stack)
    stack = wiring.settled(stack)
    seen = wiring.sights(stack)
    wiring.guard_account(stack, seen.caller)
    run = Run(id=wiring.new_run_id())
    workspace = wiring.Workspace(stack, run.id)
    world = wiring.ports(stack, seen, workspace.path)
    wanted = Wanted(variables=variables, parallelism=10, seconds=plan.timeout, ask=False, roll_back=False)
    masks = wiring.masks(stack, plan, variables)
    debug.redact(masks)
    stop = CancellationToken()
    screen = Screen(settings, world.clock)
    listeners: list[Listener] = [] if screen.for_programs else [screen]
    writer = JournalWriter(run, memory.NoJournal(), 0, listeners, masks)
    try:
        workspace.make()
        with masks.over_errors(), heeded(stop, screen.notice):
            job = _Subject(stack=stack, plan=plan, graph=build(plan, stack)).job(world, writer, stop, wanted)
            job = replace(job, base_images=base_images)
            preview = masks.masked(foresee(job, stack=stack.name, by=wiring.caller_name()))
            preview = _with_lock(preview, stack, world.clock)
        if out is not None:
            save(out, plan, preview, masks.masked(writer.run), workspace.path)
        return preview
    finally:
        screen.close()
        workspace.remove()


def _with_lock(preview: Preview, stack: Stack, clock: Clock) -> Preview:
    """Who looks ahead while another run holds the environment sees a world that may be about to change."""
    held = memory.lock(stack, clock).holder(stack.environment.name)
    if held is None:
        return preview
    said = f"held by run {held.run} (since {held.since:%Y-%m-%d %H:%M} UTC, {held.holder}): what is shown may change"
    return replace(preview, findings=(*preview.findings, Finding(step="lock", lines=(said,))))


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What is run, and on what."""

    stack: Stack
    plan: Plan
    graph: Graph

    def job(self, world: Ports, writer: JournalWriter, stop: CancellationToken, wanted: Wanted) -> Job:
        nodes = self.graph.nodes.values()
        return Job(
            plan=self.plan,
            graph=self.graph,
            steps={node.id: node.kind(self.stack, world) for node in nodes},
            writer=writer,
            clock=world.clock,
            stop=stop,
            environment=self.stack.environment.name,
            variables=wanted.variables,
            parallelism=wanted.parallelism,
            deadline=world.clock.monotonic() + wanted.seconds,
            turns=turns(self.graph, self.stack),
            stack=self.stack,
        )


class _Approval:
    """Shows the preview, and asks unless approval was given beforehand or there is nothing to approve.

    A saved plan was approved as it is: it must still be what would be done.
    """

    def __init__(self, screen: Screen, stop: CancellationToken, wanted: Wanted, masks: Masks) -> None:
        self._screen = screen
        self._stop = stop
        self._wanted = wanted
        self._masks = masks

    def __call__(self, preview: Preview) -> bool:
        preview = self._masks.masked(preview)
        self._screen.preview(preview)
        if self._wanted.saved is not None:
            self._wanted.saved.still_fits(preview)
            return True
        if not self._wanted.ask or not preview.changes:
            return True
        with interruptible():
            try:
                return typer.confirm("Undo this?" if self._wanted.undo else "Apply this?", err=True)
            except (typer.Abort, KeyboardInterrupt):
                sys.stderr.write("\n")
                self._stop.cancel("interrupted at the question")
                return False


def _tell_locked(screen: Screen, world: Ports, run: str, error: LockHeldError) -> None:
    """Programs that read events are told as by any other run; nothing is journaled, for nothing was run."""
    verdict = RunFinished(
        at=world.clock.now(), verdict="locked", exit_code=EXIT_CODES["locked"], seconds=0.0, reason=str(error)
    )
    if screen.for_programs:
        error.has_event = True
        screen(Run(id=run), Record(seq=1, run=run, fence=0, event=verdict))
