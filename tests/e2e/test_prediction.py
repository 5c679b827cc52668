"""What the handover's timeline foretells, against what happens in the local AWS: eight settings, side by side.

The sandbox's behaviour is from AWS's documents and was not measured on AWS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from lgtm_deploy.core.handover import Decision, Facts, decide, flip_before_images, images_first, predict
from lgtm_deploy.core.handover.checks import Span, longest_gap, until_healthy, until_unhealthy
from lgtm_deploy.core.handover.timeline import breaker_threshold
from tests.core.handover_facts import check, contract, facts
from tests.shim.cloud import Cloud, Service, compile_server, running, wait_until

pytestmark = pytest.mark.e2e

INTERVAL = 4
DRAIN = 1
READY_AFTER = 20
PATIENCE_SECONDS = 120
NEW_PATH = "/moved/ready"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A service, its thresholds, and what is done to it."""

    name: str
    order: str
    healthy: int
    unhealthy: int
    grace: int = 0
    desired: int = 1
    image: str = "moved"


SETTINGS = (
    Setting(name="held-2-4", order="grace-hold", healthy=2, unhealthy=4),
    Setting(name="held-3-2", order="grace-hold", healthy=3, unhealthy=2),
    Setting(name="bare-2-3", order="images-first", healthy=2, unhealthy=3),
    Setting(name="bare-grace", order="images-first", healthy=2, unhealthy=2, grace=10),
    Setting(name="bare-four", order="images-first", healthy=2, unhealthy=3, desired=4),
    Setting(name="flip-2-2", order="check-first", healthy=2, unhealthy=2),
    Setting(name="flip-2-4", order="check-first", healthy=2, unhealthy=4),
    Setting(name="slow-bare", order="images-first", healthy=2, unhealthy=3, image="slow"),
    Setting(name="slow-held", order="direct", healthy=2, unhealthy=3, image="slow"),
)


@dataclass
class Trial:
    """A setting in the cloud, when something was done to it, and what was foretold of it."""

    setting: Setting
    service: Service
    begun: float = 0.0
    foretold: dict[str, Span] = field(default_factory=dict)
    longest_gap: float | None = None


class Records:
    """What happened to one service, in seconds since something."""

    def __init__(self, cloud: Cloud, trial: Trial) -> None:
        self._cloud = cloud
        self._name = trial.setting.name
        self._trial = trial

    def targets(self, state: str) -> list[dict[str, Any]]:
        return [each for each in self._of("target", target_group=self._name) if each["to"] == state]

    def kills(self) -> list[float]:
        """When ECS began to stop tasks for their checks."""
        stopped = self._of("task", service=self._name, to="DEACTIVATING")
        return [each["at"] for each in stopped if "failed ELB" in (each["reason"] or "")]

    def deployment(self, status: str) -> list[float]:
        found = self._of("deployment", service=self._name, field="status", to=status)
        return [each["at"] for each in found]

    def dark_seconds(self) -> float:
        """For how long no target was healthy, once one had been."""
        healthy: set[str] = set()
        dark, since = 0.0, None
        for record in self._cloud.records("target", target_group=self._name):
            address = record["address"]
            healthy = healthy | {address} if record["to"] == "healthy" else healthy - {address}
            if healthy and since is not None:
                dark, since = dark + record["at"] - since, None
            elif not healthy and since is None and record["from"] == "healthy":
                since = record["at"]
        return dark

    def _of(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        return [each for each in self._cloud.records(kind, **wanted) if each["at"] >= self._trial.begun]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("prediction")
    with running(Cloud(directory=folder)) as started:
        server = compile_server(folder)
        started.push(server, "app", "old", MARK="old", ROUTES="/ready=200", DEFAULT=404)
        started.push(server, "app", "moved", MARK="moved", ROUTES=f"{NEW_PATH}=200", DEFAULT=404)
        started.push(server, "app", "slow", MARK="slow", ROUTES="/ready=200", READY_AFTER=READY_AFTER)
        yield started


def test_what_is_foretold_happens_within_one_check_interval(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    trials = [lay(cloud, setting) for setting in SETTINGS]
    for trial in trials:
        cloud.wait_steady(trial.setting.name, PATIENCE_SECONDS)
        first = Records(cloud, trial)
        wait_until(lambda seen=first: seen.deployment("SUCCESSFUL"), PATIENCE_SECONDS, f"{trial.setting.name} is laid")
    start_seconds = quickest_start(cloud)
    for trial in trials:
        foretell(trial, start_seconds)
    for trial in trials:
        begin(cloud, trial)
    for trial in trials:
        if trial.setting.order == "grace-hold":
            wait_until(lambda t=trial: Records(cloud, t).targets("unhealthy"), PATIENCE_SECONDS, "new targets marked")
            trial.begun = flip(cloud, trial)

    rows: list[tuple[str, str, Span, float]] = []
    for trial in trials:
        for what, span in trial.foretold.items():
            rows.append((trial.setting.name, what, span, measured(cloud, trial, what)))
    dark = {trial.setting.name: Records(cloud, trial).dark_seconds() for trial in trials}
    with capsys.disabled():
        show(rows, [(trial, dark[trial.setting.name]) for trial in trials])

    assert {name for name, *_ in rows} == {setting.name for setting in SETTINGS}
    wrong = [(name, what, span, seconds) for name, what, span, seconds in rows if abs(seconds - span.likely) > INTERVAL]
    assert not wrong
    for trial in trials:
        if trial.longest_gap is not None:
            assert dark[trial.setting.name] <= trial.longest_gap + 0.5


def lay(cloud: Cloud, setting: Setting) -> Trial:
    definition = cloud.register(setting.name, cloud.image("app", "old"))
    checks = {
        "HealthCheckIntervalSeconds": INTERVAL,
        "HealthyThresholdCount": setting.healthy,
        "UnhealthyThresholdCount": setting.unhealthy,
    }
    service = cloud.serve(
        setting.name,
        definition,
        checks=checks,
        desiredCount=setting.desired,
        healthCheckGracePeriodSeconds=setting.grace,
    )
    return Trial(setting=setting, service=service)


def quickest_start(cloud: Cloud) -> float:
    """How long a task takes to start when the machine does not start many at once."""
    tasks = [task for setting in SETTINGS for task in cloud.tasks(setting.name)]
    return float(min((task["startedAt"] - task["createdAt"]).total_seconds() for task in tasks))


def foretell(trial: Trial, start_seconds: float) -> None:
    """From the product's own timeline, before anything is done."""
    setting = trial.setting
    slow = setting.image == "slow"
    given = facts(
        check=check(setting.healthy, setting.unhealthy, INTERVAL),
        contract=contract(new=(200, 200), new_path="/ready", ready=READY_AFTER) if slow else contract(),
        desired=setting.desired,
        grace_period=setting.grace,
        deregistration_delay=DRAIN,
        start_seconds=start_seconds,
    )
    if setting.order == "images-first":
        seen = images_first(given)
        assert seen.tripped is not None
        trial.foretold = {"killed": killed(seen.fates[0].killed), "rolled back": seen.tripped}
        trial.longest_gap = 0.0
    elif setting.order == "check-first":
        seen = flip_before_images(given)
        trial.foretold = {
            "killed": killed(seen.fates[0].killed),
            "killed again": killed(seen.fates[1].killed),
        }
    else:
        _foretell_held(trial, given)


def _foretell_held(trial: Trial, given: Facts) -> None:
    decision = decide([given], allow=("direct", "grace-hold"))
    if isinstance(decision, Decision):
        assert decision.windows["tempo"] > 0
        seen = predict(given, decision.ways["tempo"])
        assert seen.complete is not None
        trial.foretold = {"complete": seen.complete}
        trial.longest_gap = seen.without_health
        return
    # It refuses these thresholds, for the gap that it foretells.
    trial.foretold = {
        "old unhealthy": until_unhealthy(given.check),
        "new healthy": until_healthy(given.check, marked=True),
    }
    trial.longest_gap = longest_gap(given.check)
    assert f"no healthy target for {trial.longest_gap:g} s" in " ".join(map(str, decision))


def killed(span: Span | None) -> Span:
    assert span is not None
    return span


def begin(cloud: Cloud, trial: Trial) -> None:
    setting = trial.setting
    trial.begun = time.time()
    if setting.order == "check-first":
        trial.begun = flip(cloud, trial)
        return
    change: dict[str, Any] = {"taskDefinition": cloud.register(setting.name, cloud.image("app", setting.image))}
    if setting.order != "images-first":
        change["healthCheckGracePeriodSeconds"] = 600
    cloud.update(setting.name, **change)


def flip(cloud: Cloud, trial: Trial) -> float:
    cloud.client("elbv2").modify_target_group(TargetGroupArn=trial.service.target_group, HealthCheckPath=NEW_PATH)
    return time.time()


def measured(cloud: Cloud, trial: Trial, what: str) -> float:
    """Seconds from the flip, or from the start of the first new task."""
    seen = Records(cloud, trial)
    looks: dict[str, Callable[[], Sequence[float]]] = {
        "killed": seen.kills,
        "killed again": lambda: seen.kills()[1:],
        "rolled back": lambda: seen.deployment("ROLLBACK_IN_PROGRESS"),
        "complete": lambda: seen.deployment("SUCCESSFUL"),
        "old unhealthy": lambda: [each["at"] for each in seen.targets("unhealthy") if each["from"] == "healthy"],
        "new healthy": lambda: [each["at"] for each in seen.targets("healthy")],
    }
    found = wait_until(looks[what], PATIENCE_SECONDS, f"{trial.setting.name}: {what}")
    moved = trial.setting.order in ("check-first", "grace-hold")
    since = trial.begun if moved else seen.targets("initial")[0]["at"]
    return found[0] - since


def show(rows: Sequence[tuple[str, str, Span, float]], dark: Sequence[tuple[Trial, float]]) -> None:
    print(f"\n{'setting':<12} {'what':<14} {'foretold':>16} {'likely':>8} {'measured':>9} {'error':>6}")
    for name, what, span, seconds in rows:
        bounds = f"{span.earliest:.1f}-{span.latest:.1f} s"
        error = abs(seconds - span.likely)
        print(f"{name:<12} {what:<14} {bounds:>16} {span.likely:>6.1f} s {seconds:>7.1f} s {error:>4.1f} s")
    for trial, seconds in dark:
        if trial.longest_gap is not None:
            most = f"at most {trial.longest_gap:.1f} s"
            print(f"{trial.setting.name:<12} {'no health':<14} {most:>16} {'':>8} {seconds:>7.1f} s")
    print(f"one check interval: {INTERVAL} s; a breaker of {breaker_threshold(1)} failures for one task")
