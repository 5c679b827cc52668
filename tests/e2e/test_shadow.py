"""The main job from outside the VPC: the load balancer asks the new tasks, by a shadow target group."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from lgtm_deploy.sandbox.clients import client
from lgtm_deploy.sandbox.connection import Connection
from tests.e2e.conftest import Checkout, Said
from tests.e2e.facts import fewest_healthy, killed_by_checks
from tests.e2e.outside import connects, outside

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SERVICES = ("tempo", "pyroscope")
# Tempo's own target group asks its new tasks: their path has not moved.
SHADOWED = ("pyroscope",)
STACK = "lgtm-deploy.yaml"
SETTING = "state: local\n    task_probe: direct"


def left(connection: Connection) -> list[str]:
    """Shadow target groups and their rules that are there."""
    balancing = client(connection, "elbv2")
    groups = [each["TargetGroupName"] for each in balancing.describe_target_groups()["TargetGroups"]]
    paths = []
    for balancer in balancing.describe_load_balancers()["LoadBalancers"]:
        for listener in balancing.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
            rules = balancing.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
            paths += [path for rule in rules for each in rule["Conditions"] for path in each.get("Values", [])]
    return [each for each in (*groups, *paths) if "shadow" in each]


def task_addresses(connection: Connection) -> list[tuple[str, int]]:
    """Those of the two services' tasks."""
    balancing = client(connection, "elbv2")
    groups = balancing.describe_target_groups(Names=[f"lgtm-sandbox-{service}-tg" for service in SERVICES])
    found = []
    for group in groups["TargetGroups"]:
        health = balancing.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
        found += [(each["Target"]["Id"], each["Target"]["Port"]) for each in health["TargetHealthDescriptions"]]
    return found


def with_setting(checkout: Checkout, task_probe: str) -> Checkout:
    checkout.edit(STACK, SETTING, SETTING.replace("direct", task_probe))
    return checkout


@pytest.fixture
def fresh(new_checkout: Callable[[], Checkout], reset_sandbox: Callable[[], Connection]) -> Checkout:
    """What runs today, whatever was tried before."""
    reset_sandbox()
    return new_checkout()


@pytest.fixture
def blocked(fresh: Checkout) -> Iterator[Checkout]:
    """A checkout whose command lines cannot reach a task, although this process can."""
    with outside(fresh.connection) as group:
        reached = {(connects(*task, None), connects(*task, group)) for task in task_addresses(fresh.connection)}
        assert reached == {(True, False)}
        yield replace(fresh, group=group)


def assert_smooth(checkout: Checkout, began: float) -> None:
    """Nobody was without a healthy target, and no task was killed by a check."""
    fewest = fewest_healthy(checkout.records(), began, time.time())
    own = {group: count for group, count in fewest.items() if "shadow" not in group}
    assert min(own.values()) >= 1, own
    assert killed_by_checks(checkout.records(began)) == []


def steps(said: Said, event: str) -> dict[str, float]:
    return {each["step"]: each["seconds"] for each in said.events if each["event"] == event}


def test_from_outside_the_new_path_answers_without_a_gap_and_nothing_is_left(blocked: Checkout) -> None:
    checkout = with_setting(blocked, "auto")
    began = time.time()
    said = checkout.apply()

    assert said.exit_code == 0, said.out + said.err
    assert said.finished["verdict"] == "deployed"
    assert_smooth(checkout, began)
    assert left(checkout.connection) == []
    made = {each["identifiers"]["name"] for each in checkout.requests(began, "CreateTargetGroup")}
    assert len(made) == len(SHADOWED)
    removed = max(each["at"] for each in checkout.requests(began, "DeleteTargetGroup"))
    flipped = min(each["at"] for each in checkout.requests(began, "ModifyTargetGroup"))
    assert removed < flipped, "the shadow is gone before the health check moves"
    assert {f"remove-shadow-target-group[{service}]" for service in SHADOWED} <= steps(said, "StepSucceeded").keys()

    again = checkout.apply()
    assert (again.exit_code, again.finished["verdict"]) == (0, "unchanged"), again.out + again.err


@pytest.mark.acceptance
def test_from_outside_a_new_image_that_crashes_goes_back_and_nothing_is_left(blocked: Checkout) -> None:
    checkout = with_setting(blocked, "shadow")
    # Tempo's new tasks are fine; Pyroscope's exit on a key that it does not know (N4 of the night).
    checkout.edit(STACK, '    version: "2.0.4"\n', '    version: "2.0.4"\n    rehearsal: {skip: to see it crash}\n')
    config = checkout.folder / "dockerfiles/pyroscope/config/pyroscope-config.yaml"
    config.write_text(config.read_text(encoding="utf-8") + "\nno_such_key: true\n", encoding="utf-8")
    before = checkout.status()
    began = time.time()
    said = checkout.apply()

    assert said.exit_code == 1, said.out + said.err
    assert said.finished["verdict"] == "rolled-back"
    assert "no_such_key" in said.finished["reason"]
    assert checkout.requests(began, "CreateTargetGroup"), "there was a shadow"
    assert left(checkout.connection) == []
    assert_smooth(checkout, began)
    after = checkout.status()
    for service in SERVICES:
        assert after[service]["digest"] == before[service]["digest"]


@dataclass(frozen=True, kw_only=True)
class Killed:
    lines: list[str]
    left: list[str]


def kill_while_it_waits(checkout: Checkout) -> Killed:
    """SIGKILL once the tasks are asked by their shadows."""
    words = [sys.executable, "-m", "lgtm_deploy", "apply", "prefix-change", "--env", "sandbox", "--yes"]
    process = subprocess.Popen(
        words,
        cwd=checkout.folder,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        group=checkout.group,
    )
    watchdog = threading.Timer(240, process.kill)
    watchdog.start()
    assert process.stdout
    lines: list[str] = []
    waiting: set[str] = set()
    for line in process.stdout:
        lines.append(line.rstrip())
        waiting |= {service for service in SHADOWED if f"wait-for-tasks[{service}] started" in line}
        if waiting == set(SHADOWED):
            process.send_signal(signal.SIGKILL)
    process.wait()
    watchdog.cancel()
    process.stdout.close()
    return Killed(lines=lines, left=left(checkout.connection))


@pytest.mark.acceptance
def test_killed_and_resumed_from_outside_nothing_is_left(blocked: Checkout) -> None:
    checkout = with_setting(blocked, "shadow")
    began = time.time()
    killed = kill_while_it_waits(checkout)
    assert len(killed.left) == 2 * len(SHADOWED), killed.lines

    said = checkout.run("resume", "last", "--env", "sandbox", "--yes", "--output", "json")

    assert said.exit_code == 0, said.out + said.err
    assert said.finished["verdict"] == "deployed"
    assert left(checkout.connection) == []
    assert len(checkout.requests(began, "CreateTargetGroup")) == len(SHADOWED)
    assert_smooth(checkout, began)


@pytest.mark.acceptance
def test_chosen_where_it_is_not_needed_it_works_as_well(fresh: Checkout) -> None:
    checkout = with_setting(fresh, "shadow")
    began = time.time()
    said = checkout.apply()

    assert said.exit_code == 0, said.out + said.err
    assert said.finished["verdict"] == "deployed"
    assert checkout.requests(began, "CreateTargetGroup")
    assert left(checkout.connection) == []
    assert_smooth(checkout, began)


def test_direct_from_outside_is_refused_before_anything_is_changed(blocked: Checkout) -> None:
    addresses = [address for address, _ in task_addresses(blocked.connection)]
    began = time.time()
    said = blocked.apply()

    assert said.exit_code == 2, said.out + said.err
    assert said.finished["verdict"] == "refused"
    reason = said.finished["reason"]
    for address in addresses:
        assert address in reason
    assert "inside the VPC" in reason
    assert "shadow" in reason
    changing = [each for each in blocked.requests(began) if each["service"] not in ("dynamodb", "s3")]
    assert changing == []
