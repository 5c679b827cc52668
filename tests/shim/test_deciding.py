"""The shim's decisions, without a cloud: rollouts, target health, requests, settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lgtm_deploy.sandbox.shim import container_order, definitions, health, requests, rollout
from lgtm_deploy.sandbox.shim.health import CheckResult, HealthCheck, TargetHealth
from lgtm_deploy.sandbox.shim.records import Records
from lgtm_deploy.sandbox.shim.rollout import Decision, Phase, ServiceView, TaskView
from lgtm_deploy.sandbox.shim.settings import Settings

CHECK = HealthCheck(
    path="/", port=None, matcher="200", interval=5, timeout=2, healthy_threshold=3, unhealthy_threshold=2
)
PASS = CheckResult(passed=True)
FAIL = CheckResult(passed=False, reason="Target.Timeout", description="Request timed out")


def task(name: str, deployment: str, *, healthy: bool = True, phase: Phase = Phase.RUNNING) -> TaskView:
    return TaskView(arn=name, deployment=deployment, phase=phase, healthy=healthy, created=float(ord(name[-1])))


def service(*tasks: TaskView, desired: int = 1, maximum: int = 200, failed: bool = False) -> ServiceView:
    return ServiceView(
        desired=desired, minimum_percent=100, maximum_percent=maximum, primary="new", primary_failed=failed, tasks=tasks
    )


@pytest.mark.parametrize(
    ("seen", "decision"),
    [
        (service(), Decision(start=1)),
        (service(desired=4), Decision(start=4)),
        (service(task("a", "old")), Decision(start=1)),
        (service(task("a", "old"), task("b", "new", healthy=False)), Decision()),
        (service(task("a", "old"), task("b", "new")), Decision(stop=("a",))),
        (service(task("a", "old", phase=Phase.STOPPING), task("b", "new")), Decision()),
        (service(task("b", "new")), Decision(settled=True)),
        (service(task("a", "new"), task("b", "new")), Decision(stop=("b",))),
        (service(task("a", "new"), task("b", "new", healthy=False), task("c", "new")), Decision(stop=("b", "c"))),
        (service(desired=0), Decision(settled=True)),
        (service(task("a", "new"), desired=0), Decision(stop=("a",))),
        (service(task("a", "old"), task("b", "new"), failed=True), Decision(stop=("b",))),
        # A superseded deployment's unhealthy task makes room; its healthy one too, as long as enough stay healthy.
        (service(task("a", "old"), task("b", "mid", healthy=False)), Decision(stop=("b",))),
        (service(task("a", "old"), task("b", "mid")), Decision(stop=("b",))),
        (service(task("a", "old"), task("b", "old"), desired=2, maximum=150), Decision(start=1)),
        # No room to start a task, and none may stop: AWS rounds the maximum down.
        (service(task("a", "old"), maximum=150), Decision(blocked=True)),
        (service(task("a", "old", healthy=False), maximum=150), Decision(stop=("a",))),
        (service(task("a", "old", phase=Phase.STOPPING), maximum=100), Decision(start=1)),
    ],
)
def test_rollout_decides_as_the_rolling_scheduler_does(seen: ServiceView, decision: Decision) -> None:
    assert rollout.decide(seen) == decision


def container(name: str, *dependencies: tuple[str, str], essential: bool = True) -> dict[str, object]:
    wanted = [{"containerName": other, "condition": condition} for other, condition in dependencies]
    return {"name": name, "essential": essential, "dependsOn": wanted}


def test_containers_start_in_the_order_of_their_dependencies() -> None:
    side, app = container("side", essential=False), container("app", ("init", "SUCCESS"), ("proxy", "HEALTHY"))
    init, proxy = container("init", essential=False), container("proxy", ("init", "COMPLETE"))
    ordered = container_order.in_order([side, app, init, proxy])
    assert [each["name"] for each in ordered] == ["init", "proxy", "app", "side"]
    assert [container_order.must_end(name, ordered) for name in ("init", "proxy", "app")] == [True, False, False]


@pytest.mark.parametrize(
    ("condition", "running", "exit_code", "health", "met"),
    [
        ("START", False, 1, None, True),
        ("COMPLETE", True, None, None, None),
        ("COMPLETE", False, 1, None, True),
        ("SUCCESS", True, None, None, None),
        ("SUCCESS", False, 0, None, True),
        ("SUCCESS", False, 1, None, False),
        ("HEALTHY", True, None, "unhealthy", None),
        ("HEALTHY", True, None, "healthy", True),
        ("HEALTHY", False, 0, "healthy", False),
    ],
)
def test_dependency_holds_waits_or_fails(
    condition: str, running: bool, exit_code: int | None, health: str | None, met: bool | None
) -> None:
    assert container_order.is_met(condition, running=running, exit_code=exit_code, health=health) is met


def test_breaker_threshold_is_half_the_desired_count_within_bounds() -> None:
    assert [rollout.breaker_threshold(n) for n in (0, 1, 6, 7, 400, 1000)] == [3, 3, 3, 4, 200, 200]


def test_first_retries_are_quick() -> None:
    assert [rollout.restart_delay(n) for n in (1, 2, 3, 10)] == [0.0, 0.5, 1.0, 15.0]


def test_new_target_needs_one_pass_and_an_unhealthy_one_the_threshold() -> None:
    assert health.after(health.CHECKING, PASS, CHECK).state == "healthy"
    seen = TargetHealth(state="unhealthy", failures=5)
    states = []
    for _ in range(3):
        seen = health.after(seen, PASS, CHECK)
        states.append(seen.state)
    assert states == ["unhealthy", "unhealthy", "healthy"]


def test_target_is_unhealthy_after_consecutive_failures_only() -> None:
    seen = TargetHealth(state="healthy")
    for result in (FAIL, PASS, FAIL):
        seen = health.after(seen, result, CHECK)
    assert seen.state == "healthy"
    seen = health.after(seen, FAIL, CHECK)
    assert (seen.state, seen.reason, seen.description) == ("unhealthy", "Target.Timeout", "Request timed out")


@pytest.mark.parametrize(
    ("matcher", "status", "fits"),
    [("200", 200, True), ("200,404", 404, True), ("200-299", 204, True), ("200", 404, False)],
)
def test_matcher_takes_lists_and_ranges(matcher: str, status: int, fits: bool) -> None:
    assert health.matches(matcher, status) is fits


def scope(method: str, path: str, **headers: str) -> dict[str, object]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"method": method, "path": path, "query_string": b"", "headers": pairs}


def test_requests_are_named_by_service_and_action() -> None:
    update = scope("POST", "/", x_amz_target="AmazonEC2ContainerServiceV20141113.UpdateService")
    body = json.dumps({"cluster": "c", "service": "s", "forceNewDeployment": True}).encode()
    assert requests.describe(update, body) == {
        "service": "ecs",
        "action": "UpdateService",
        "mutating": True,
        "identifiers": {"cluster": "c", "service": "s", "forceNewDeployment": True},
    }
    described = requests.describe(
        scope("POST", "/"), b"Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn=t"
    )
    assert (described["service"], described["mutating"]) == ("elasticloadbalancing", False)
    pushed = requests.describe(scope("PUT", "/v2/lgtm/tempo/manifests/one"), b"")
    assert (pushed["service"], pushed["action"], pushed["mutating"]) == ("ecr", "RegistryPutManifest", True)
    assert pushed["identifiers"] == {"repository": "lgtm/tempo", "reference": "one"}
    stored = requests.describe(scope("PUT", "/bucket/some/key"), b"")
    assert (stored["service"], stored["action"], stored["identifiers"]["key"]) == ("s3", "PutObject", "some/key")


def test_settings_default_to_the_gateway() -> None:
    settings = Settings.from_environment({"GATEWAY_PORT": "5000", "SANDBOX_NAME": "one"})
    assert (settings.registry, settings.alb_port, settings.records) == ("127.0.0.1:5000", None, None)
    assert settings.labels == {"lgtm-deploy.sandbox": "one"}


def test_records_are_lines_of_json_in_order(tmp_path: Path) -> None:
    records = Records(tmp_path / "deep" / "records.jsonl")
    records.write("task", to="RUNNING")
    records.write("task", to="STOPPED")
    records.close()
    lines = [json.loads(line) for line in (tmp_path / "deep" / "records.jsonl").read_text().splitlines()]
    assert [line["to"] for line in lines] == ["RUNNING", "STOPPED"]
    assert lines[0]["at"] <= lines[1]["at"]


def test_a_registered_health_check_has_the_times_that_ecs_gives_it() -> None:
    plain = {"name": "sidecar", "image": "other"}
    check = {"command": ["CMD", "/server", "check"], "retries": 1}
    request = {"family": "app", "containerDefinitions": [plain, {**plain, "name": "app", "healthCheck": check}]}

    registered = definitions.with_defaults(request)

    assert registered["containerDefinitions"] == [
        plain,
        {**plain, "name": "app", "healthCheck": {**check, "interval": 30, "timeout": 5}},
    ]
    assert request["containerDefinitions"][1]["healthCheck"] is check
    assert definitions.with_defaults({"family": "app"}) == {"family": "app"}
