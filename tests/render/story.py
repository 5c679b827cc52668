"""Two runs to show: one that goes well, and one that fails and is rolled back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from lgtm_deploy.core import event as events
from lgtm_deploy.core.event import Event, Record
from lgtm_deploy.core.run import Run

START = datetime(2026, 1, 16, 0, 15, tzinfo=UTC)
DIGEST = "sha256:" + "0123456789abcdef" * 4
ARN = "arn:aws:ecs:eu-west-1:123456789012:task-definition/lgtm-tempo:12"
STEPS: dict[str, tuple[str, ...]] = {
    "login": (),
    "build[tempo]": ("login",),
    "build[pyroscope]": ("login",),
    "push[tempo]": ("build[tempo]",),
    "push[pyroscope]": ("build[pyroscope]",),
    "hold-grace[tempo]": ("push[tempo]",),
    "hold-grace[pyroscope]": ("push[pyroscope]",),
    "deploy[tempo]": ("hold-grace[tempo]",),
    "deploy[pyroscope]": ("hold-grace[pyroscope]",),
    "wait-new-path[tempo]": ("deploy[tempo]",),
    "wait-new-path[pyroscope]": ("deploy[pyroscope]",),
    "terraform-plan": ("login",),
    "terraform-apply": ("terraform-plan", "wait-new-path[tempo]", "wait-new-path[pyroscope]"),
    "wait-healthy[tempo]": ("terraform-apply",),
    "wait-healthy[pyroscope]": ("terraform-apply",),
    "release-grace": ("wait-healthy[tempo]", "wait-healthy[pyroscope]"),
    "verify": ("release-grace",),
}
REASON = (
    "Task 5f2c of service lgtm-dev-tempo stopped: container tempo exited with 1. Its last lines: "
    'level=error msg="error running Tempo" err="failed parsing config: line 14: field prefix not found in s3.Config"'
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def opening() -> Iterator[Event]:
    yield events.RunStarted(
        at=at(0),
        plan="prefix-change",
        plan_digest="ab" * 32,
        stack="lgtm",
        environment="sandbox",
        by="ci@runner-4",
        steps=STEPS,
    )
    yield events.LockTaken(at=at(0), environment="sandbox", fence=3)
    yield began("login", 0)
    yield ended("login", 0, 0.6)
    yield began("terraform-plan", 0.6)
    for service, build in (("tempo", 1.1), ("pyroscope", 2.3)):
        yield began(f"build[{service}]", 0.6)
        yield ended(f"build[{service}]", 0.6, build, tag="0123456789abcdef" * 4)
        yield began(f"push[{service}]", 0.6 + build)
        yield events.StepProgressed(at=at(0.7 + build), step=f"push[{service}]", message="layer 3 of 4: 12 MB of 61 MB")
        yield ended(f"push[{service}]", 0.6 + build, 1.2, digest=DIGEST)
        yield began(f"hold-grace[{service}]", 1.8 + build)
        yield events.StepObserved(
            at=at(1.9 + build), step=f"hold-grace[{service}]", seen={"seconds": 0}, change="grace period 0 s -> 900 s"
        )
        yield ended(f"hold-grace[{service}]", 1.8 + build, 0.2, grace=900)
        yield began(f"deploy[{service}]", 2 + build)
        yield events.StepObserved(
            at=at(2 + build), step=f"deploy[{service}]", seen={"task": "old"}, change=f"lgtm-{service}:11 -> :12"
        )
        yield ended(f"deploy[{service}]", 2 + build, 0.3, task_definition=ARN)
        yield began(f"wait-new-path[{service}]", 2.3 + build)
        yield waiting(f"wait-new-path[{service}]", 2.4 + build, "0 of 1 tasks running (PROVISIONING)")


def began(step: str, second: float) -> Event:
    return events.StepStarted(at=at(second), step=step)


def ended(step: str, second: float, seconds: float, **outputs: object) -> Event:
    return events.StepSucceeded(at=at(second + seconds), step=step, attempt=1, seconds=seconds, outputs=outputs)


def waiting(step: str, second: float, message: str) -> Event:
    return events.StepProgressed(at=at(second), step=step, message=message)


def _in_order(happened: list[Event]) -> list[Event]:
    return sorted(happened, key=lambda event: event.at)


def good() -> list[Event]:
    """A run that ends `deployed` after 40 s."""
    happened = list(opening())
    for service in ("tempo", "pyroscope"):
        step = f"wait-new-path[{service}]"
        happened.append(waiting(step, 6.5, "GET /ready answers 503 (starting)"))
        happened.append(
            events.StepSucceeded(at=at(12), step=step, attempt=1, seconds=7.5, outputs={"status": 200}, since=at(11.2))
        )
        happened.append(began(f"wait-healthy[{service}]", 30))
        happened.append(waiting(f"wait-healthy[{service}]", 30.2, "target initial (Elb.RegistrationInProgress)"))
        happened.append(
            events.StepSucceeded(
                at=at(36), step=f"wait-healthy[{service}]", attempt=1, seconds=6.0, outputs={}, since=at(35.6)
            )
        )
    happened += [
        ended("terraform-plan", 0.6, 14.2, changes=2),
        began("terraform-apply", 14.8),
        waiting("terraform-apply", 16, "module.alb.aws_lb_target_group.this[tempo]: Modifying…"),
        events.StepRetried(
            at=at(17), step="terraform-apply", attempt=1, reason="ThrottlingException: Rate exceeded", delay=0.5
        ),
        events.StepSucceeded(at=at(30), step="terraform-apply", attempt=2, seconds=15.2, outputs={"applied": 2}),
        began("release-grace", 36),
        ended("release-grace", 36, 0.4),
        began("verify", 36.4),
        waiting("verify", 36.5, "GET /tempo/api/echo"),
        ended("verify", 36.4, 3.1, answers=4),
        events.RunFinished(
            at=at(39.6), verdict="deployed", exit_code=0, seconds=39.6, reason="every step is done and verified"
        ),
    ]
    return _in_order(happened)


def bad() -> list[Event]:
    """A run whose new image crashes at start; everything is restored."""
    happened = list(opening())
    failed = events.StepFailed(
        at=at(14), step="wait-new-path[tempo]", attempt=1, seconds=9.5, reason=REASON, kind="failed", acted=False
    )
    happened += [
        ended("terraform-plan", 0.6, 12.2, changes=2),
        waiting("wait-new-path[tempo]", 6.5, "task 5f2c stopped, container tempo exited with 1; 1 of 3 failures"),
        waiting("wait-new-path[tempo]", 10.5, "task 77aa stopped, container tempo exited with 1; 2 of 3 failures"),
        failed,
        events.StepFailed(
            at=at(14.3),
            step="wait-new-path[pyroscope]",
            attempt=1,
            seconds=8.6,
            reason="stopped because another step failed",
            kind="interrupted",
            acted=False,
        ),
        events.RollbackStarted(at=at(14.4), reason=f"wait-new-path[tempo] failed: {REASON}"),
        waiting("deploy[tempo]", 15, "1 of 1 tasks of lgtm-tempo:11 running; waiting for its target"),
        events.StepCompensated(at=at(18), step="deploy[pyroscope]", seconds=3.5),
        events.StepCompensated(at=at(19.4), step="deploy[tempo]", seconds=5.0),
        events.StepCompensated(at=at(19.6), step="hold-grace[pyroscope]", seconds=0.2),
        events.StepCompensated(at=at(19.8), step="hold-grace[tempo]", seconds=0.2),
        events.RollbackFinished(at=at(20)),
        events.RunFinished(
            at=at(20.1),
            verdict="rolled-back",
            exit_code=1,
            seconds=20.1,
            reason=f"wait-new-path[tempo] failed: {REASON}",
        ),
    ]
    happened += [
        events.StepSkipped(at=at(14.35), step=step, reason="wait-new-path[tempo] failed")
        for step in ("terraform-apply", "wait-healthy[tempo]", "wait-healthy[pyroscope]", "release-grace", "verify")
    ]
    return _in_order(happened)


def told(happened: list[Event], run: str = "7f3a91c2") -> Iterator[tuple[Run, Record]]:
    """What a listener hears."""
    state = Run(id=run)
    for seq, event in enumerate(happened, start=1):
        state = state.folded([event])
        yield state, Record(seq=seq, run=run, fence=3, event=event)
