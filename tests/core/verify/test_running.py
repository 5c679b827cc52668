"""Targets, and the image behind them."""

from dataclasses import replace

import pytest

from lgtm_deploy.core.ports import ContainerState, DeploymentState, ServiceState, Target, TaskState
from lgtm_deploy.core.verify.finding import Level
from lgtm_deploy.core.verify.running import Running, judge_image, judge_targets, running_findings

OLD, NEW = "sha256:" + "0" * 64, "sha256:" + "1" * 64
HERE, GONE = "10.0.0.1", "10.0.0.9"


def task(digest: str = NEW, address: str = HERE) -> TaskState:
    container = ContainerState(name="tempo", image="lgtm-tempo", digest=digest)
    return TaskState(arn="t", task_definition="tempo:2", status="running", address=address, containers=(container,))


def target(status: str = "healthy", address: str = HERE, **more: str) -> Target:
    return Target(address=address, port=3200, status=status, **more)  # type: ignore[arg-type]


def seen(**changes: object) -> Running:
    state = ServiceState(
        name="tempo",
        task_definition="tempo:2",
        images={"tempo": "lgtm-tempo:v2"},
        desired=1,
        running=1,
        pending=0,
        grace_period_seconds=0,
        minimum_healthy_percent=100,
        maximum_percent=200,
        circuit_breaker=True,
        target_groups=(),
        platform="linux/amd64",
        deployment="d",
    )
    deployment = DeploymentState(
        arn="d",
        status="SUCCESSFUL",
        reason="",
        task_definition="tempo:2",
        digests={"tempo": NEW},
        desired=1,
        failed_tasks=0,
        failure_threshold=3,
    )
    fine = Running(
        service="tempo",
        container="tempo",
        path="/tempo/ready",
        targets=(target(),),
        tasks=(task(),),
        state=state,
        deployment=deployment,
        tagged=NEW,
    )
    return replace(fine, **changes)  # type: ignore[arg-type]


def test_a_healthy_target_that_runs_what_was_deployed_is_ok() -> None:
    assert [each.level for each in running_findings(seen())] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("targets", "level", "words"),
    [
        ((), "failed", "no targets"),
        ((target("unhealthy", description="Health checks failed with these codes: [404]"),), "failed", "[404]"),
        ((target("initial"),), "failed", "1 initial"),
        ((target(), target("unhealthy")), "degraded", "1 healthy, 1 unhealthy"),
        ((target(), target(address=GONE)), "degraded", f"{GONE}:3200 is no running task"),
        ((target(), target("draining", address=GONE)), "ok", "1 healthy"),
        ((target(), target(address="i-0abc")), "ok", "2 healthy"),
    ],
)
def test_targets(targets: tuple[Target, ...], level: Level, words: str) -> None:
    judgement = judge_targets(seen(targets=targets))

    assert judgement.level == level
    assert words in judgement.got
    assert level == "ok" or (judgement.means and judgement.todo)


def test_fewer_targets_than_desired_are_too_few() -> None:
    judgement = judge_targets(seen(state=replace(seen().state, desired=2)))

    assert (judgement.level, judgement.got) == ("degraded", "1 healthy, 2 desired")


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"tasks": (task(OLD),)}, "failed", f"{OLD} runs, {NEW} is deployed"),
        ({"tasks": (task(OLD), task(NEW))}, "failed", "runs"),
        ({"tasks": ()}, "failed", "no task runs"),
        ({"tasks": (task(""),)}, "not-configured", "not known"),
        ({"deployment": None}, "not-configured", "not known"),
        ({"tagged": OLD}, "degraded", f"its tag names {OLD}"),
        ({"tagged": ""}, "ok", NEW),
    ],
)
def test_images(changes: dict[str, object], level: Level, words: str) -> None:
    judgement = judge_image(seen(**changes))

    assert judgement.level == level
    assert words in judgement.got


def test_a_task_definition_that_names_a_digest_counts_more_than_the_deployment() -> None:
    pinned = replace(seen().state, images={"tempo": f"lgtm-tempo@{OLD}"})

    assert judge_image(seen(state=pinned, tagged="")).level == "failed"
    assert judge_image(seen(state=pinned, tagged="", tasks=(task(OLD),))).level == "ok"


@pytest.mark.parametrize(
    ("tasks", "level", "words"),
    [
        ((task(),), "ok", "1/1 running"),
        ((), "failed", "0/1 running"),
        ((replace(task(), health="unhealthy"),), "failed", "1 unhealthy"),
        ((task(), replace(task(address=GONE), health="unhealthy")), "degraded", "2/1 running, 1 unhealthy"),
    ],
)
def test_a_service_without_a_target_group_is_judged_by_its_tasks(
    tasks: tuple[TaskState, ...], level: Level, words: str
) -> None:
    [first, _] = running_findings(seen(targets=None, tasks=tasks))

    assert (first.check, first.level) == ("tasks", level)
    assert words in first.got
