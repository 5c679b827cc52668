"""The main job, from 404 to 200, on real parts."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import Checkout, Said
from tests.e2e.facts import fewest_healthy, first, killed_by_checks

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SERVICES = ("tempo", "pyroscope")
# Only Pyroscope's health check moves.
PATHS = {"tempo": "/ready", "pyroscope": "/pyroscope/ready"}
# Seconds from the first question until the real servers are ready.
READY = {"tempo": 16.0, "pyroscope": 47.0}
SEARCH, PROFILES = "/tempo/api/search", "/pyroscope/querier.v1.QuerierService/ProfileTypes"


def ask(checkout: Checkout, path: str, *, send: str = "") -> tuple[int, str]:
    headers = {"X-Scope-OrgID": "demo", **({"Content-Type": "application/json"} if send else {})}
    url = checkout.connection.load_balancer_url + path
    request = urllib.request.Request(url, headers=headers, data=send.encode() or None)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@dataclass(frozen=True, kw_only=True)
class Release:
    checkout: Checkout
    began: float
    ended: float
    before: tuple[int, ...]
    before_status: dict[str, dict[str, str]]
    before_sources: dict[str, str]
    said: Said
    after: tuple[int, ...]


def answers(checkout: Checkout) -> tuple[int, ...]:
    """The status codes of Tempo's search and Pyroscope's querier through the load balancer."""
    return ask(checkout, SEARCH)[0], ask(checkout, PROFILES, send="{}")[0]


@pytest.fixture(scope="module")
def release(today: Checkout) -> Iterator[Release]:
    before = answers(today)
    status, sources = today.status(), today.data_sources()
    began = time.time()
    said = today.apply()
    ended = time.time()
    yield Release(
        checkout=today,
        began=began,
        ended=ended,
        before=before,
        before_status=status,
        before_sources=sources,
        said=said,
        after=answers(today),
    )


def test_the_prefix_answers_after_the_run_and_not_before(release: Release) -> None:
    assert release.before == (404, 404)
    assert release.said.exit_code == 0, release.said.out + release.said.err
    assert release.said.finished["verdict"] == "deployed"
    assert release.after == (200, 200)


def test_a_trace_written_after_the_change_is_read_by_its_id_and_everything_verifies(release: Release) -> None:
    said = release.checkout.run("verify", "--write", "--env", "sandbox", "--output", "json")

    assert said.exit_code == 0, said.out + said.err
    found = json.loads(said.out)
    assert set(found["services"].values()) == {"ok"}
    [asked] = [each["asked"] for each in found["findings"] if each["check"] == "read by id"]
    status, body = ask(release.checkout, asked.removeprefix("GET "))
    assert (status, "verify" in body) == (200, True)


def test_every_target_group_always_has_a_healthy_target_and_no_task_is_killed_by_a_check(release: Release) -> None:
    records = release.checkout.records()
    fewest = fewest_healthy(records, release.began, release.ended)
    assert len(fewest) == 5
    assert min(fewest.values()) >= 1, fewest
    assert killed_by_checks(release.checkout.records(release.began)) == []


def test_images_come_before_the_load_balancer_and_one_deployment_is_started_per_service(release: Release) -> None:
    records = release.checkout.records(release.began)
    flip = first(records, "request", action="ModifyTargetGroup")["at"]
    for service in SERVICES:
        name = f"lgtm-sandbox-{service}"
        started = [each for each in records if each["kind"] == "deployment" and each["to"] == "PENDING"]
        assert [each["service"] for each in started].count(name) == 1
        running = first(records, "task", service=name, to="RUNNING")
        assert running["at"] < flip
    manifests = [each["identifiers"]["reference"] for each in release.checkout.requests(0.0, "RegistryPutManifest")]
    assert len(manifests) == len(set(manifests)), "an image is pushed once, whatever was run before"


def test_services_run_by_digest_on_the_new_path_with_their_own_grace_period(release: Release) -> None:
    status = release.checkout.status()
    for service in SERVICES:
        assert status[service]["path"] == PATHS[service]
        assert status[service]["digest"] != release.before_status[service]["digest"]
        assert status[service]["deployment"] == "successful"
    grace = [
        each["identifiers"]["healthCheckGracePeriodSeconds"]
        for each in release.checkout.requests(release.began, "UpdateService")
        if "healthCheckGracePeriodSeconds" in each["identifiers"]
    ]
    assert len(grace) == 2, "Pyroscope is held; Tempo's old and new tasks pass the same check"
    assert (min(grace), max(grace) > 1800) == (120, True)
    for untouched in ("mimir", "loki"):
        assert status[untouched]["revision"] == release.before_status[untouched]["revision"]


def test_grafana_follows_and_asks_tempo_and_pyroscope_under_their_prefix(release: Release) -> None:
    checkout = release.checkout
    assert release.before_sources["tempo"] == "http://tempo:3200"
    sources = checkout.data_sources()
    assert (sources["tempo"], sources["pyroscope"]) == ("http://tempo:3200/tempo", "http://pyroscope:4040/pyroscope")
    ends = [each for each in release.said.events if each["event"] == "StepSucceeded"]
    [pushed] = [each["outputs"] for each in ends if each["step"] == "push[grafana]"]
    assert pushed["digest"].startswith(checkout.status()["grafana"]["digest"])


def test_wall_time_stays_close_to_what_the_cloud_itself_needed(release: Release) -> None:
    """The chain is made of the sandbox's own transitions and Terraform's and Docker's process times."""
    records = release.checkout.records(release.began)
    events = {(each["event"], each.get("step")): each for each in release.said.events}

    def took(step: str) -> float:
        return float(events["StepSucceeded", step]["seconds"])

    tried = [took(f"build[{service}]") + took(f"smoke-test[{service}]") for service in SERVICES]
    tried.append(took("build[grafana]") + took("smoke-test[grafana]"))
    prepared = max(took("terraform-init") + took("terraform-plan"), took("preflight") + max(tried))
    prepared += took("choose-strategy")
    dependent = {"service": "lgtm-sandbox-grafana"}
    followed = (
        first(records, "deployment", to="SUCCESSFUL", **dependent)["at"]
        - first(records, "deployment", to="PENDING", **dependent)["at"]
    )
    # Tempo's deployment is complete before the health check moves, Pyroscope's after it.
    before = []
    for service in SERVICES:
        name = f"lgtm-sandbox-{service}"
        started = first(records, "deployment", service=name, to="PENDING")["at"]
        running = first(records, "task", service=name, to="RUNNING")["at"]
        complete = first(records, "deployment", service=name, to="SUCCESSFUL")["at"]
        ready = READY[service] / release.checkout.connection.choice.factor
        rolled = complete - started if service == "tempo" else running - started + ready
        before.append(took(f"push[{service}]") + rolled)
    flipped = max(each["at"] for each in release.checkout.requests(release.began, "ModifyTargetGroup"))
    moved = first(records, "deployment", service="lgtm-sandbox-pyroscope", to="SUCCESSFUL")["at"] - flipped
    assert release.said.finished["seconds"] <= 1.15 * (
        prepared + max(before) + took("switch-health-checks") + max(moved, followed)
    )


def test_show_prints_the_timeline_and_its_critical_path(release: Release) -> None:
    said = release.checkout.run("show")
    assert said.exit_code == 0
    assert "critical path" in said.out
    assert "deployed" in said.out
    for step in ("build[tempo]", "switch-health-checks", "wait-for-deployment[pyroscope]"):
        assert step in said.out


def test_the_second_run_is_unchanged_and_takes_no_longer_than_a_terraform_plan(release: Release) -> None:
    checkout = release.checkout
    began = time.time()
    said = checkout.apply()
    assert (said.exit_code, said.finished["verdict"]) == (0, "unchanged")
    changing = [each for each in checkout.requests(began) if each["service"] not in ("dynamodb", "s3")]
    assert changing == [], "nothing is pushed, deployed or changed; only Terraform's own state lock is written"
    ends = {each["step"]: each["event"] for each in said.events if each["event"] in ("StepSucceeded", "StepUnchanged")}
    for service in SERVICES:
        assert ends[f"build[{service}]"] == ends[f"push[{service}]"] == ends[f"deploy[{service}]"] == "StepUnchanged"
    steps: dict[str, Any] = {each.get("step"): each for each in said.events if each["event"].startswith("StepS")}
    planned = steps["terraform-init"]["seconds"] + steps["terraform-plan"]["seconds"]
    # What is not Terraform runs beside it or takes a moment.
    assert said.finished["seconds"] <= planned * 1.15 + 1.0


def test_plan_with_detailed_exit_code_says_that_nothing_changes(release: Release) -> None:
    said = release.checkout.run("plan", "prefix-change", "--env", "sandbox", "--detailed-exitcode")
    assert said.exit_code == 0
    assert "nothing to change" in said.out


def test_terraform_leaves_the_deployed_services_alone_afterwards(release: Release) -> None:
    """The stack's own Terraform and what was deployed outside of it agree: ECS ignores the task definition."""
    root = release.checkout.folder / "terraform/environments/sandbox/60-ecs"
    environment = release.checkout.connection.environment
    shared = root.parent
    env = {**os.environ, **environment, "TF_DATA_DIR": str(root / ".terraform-test")}

    def terraform(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["terraform", *words], cwd=root, env=env, capture_output=True, text=True, timeout=240, check=False
        )

    init = terraform("init", "-input=false", f"-backend-config={shared / 'backend.hcl'}")
    assert init.returncode == 0, init.stderr
    images = '{grafana="x",mimir="x",loki="x",tempo="x",pyroscope="x"}'
    planned = terraform(
        "plan", "-input=false", "-detailed-exitcode", f"-var-file={shared / 'common.tfvars'}", f"-var=images={images}"
    )
    assert planned.returncode in (0, 2), planned.stderr
    assert 'resource "aws_ecs_service"' not in planned.stdout
