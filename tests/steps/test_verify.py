"""Verification as a baseline before a run, and as a gate after it."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.gate import Open
from lgtm_deploy.core.ports import HttpRequest, HttpResponse, Login
from lgtm_deploy.core.verify.check import TENANT_HEADER
from lgtm_deploy.core.verify.finding import Finding, Level
from lgtm_deploy.core.verify.gate import standing, summary, verdicts
from lgtm_deploy.fakes import fake_ports
from lgtm_deploy.steps.verify import Inputs, Verify
from tests.steps.simulation import Simulation

PLANS = Path(__file__).resolve().parents[2] / "plans"
LIST = '{"status":"success","data":[]}'
SOUND = {
    "/api/health": '{"database":"ok"}',
    "/login": "<html><title>Grafana</title></html>",
    "/prometheus/api/v1/labels": LIST,
    "/prometheus/api/v1/label/__name__/values": LIST,
    "/loki/api/v1/labels": LIST,
    "/tempo/api/echo": "echo",
    "/tempo/api/search": '{"traces":[]}',
    "/pyroscope/ready": "ready",
    "/pyroscope/querier.v1.QuerierService/LabelNames": "{}",
}
OPEN = {"/api/health", "/login", "/tempo/api/echo", "/pyroscope/ready"}


def answering(world: Simulation, path: str) -> Callable[[HttpRequest], HttpResponse]:
    """What the path's program answers, if the image that runs has such a route."""
    name = next((name for name in ("tempo", "pyroscope") if path.startswith(f"/{name}/")), "")

    def answer(question: HttpRequest) -> HttpResponse:
        if path not in OPEN and TENANT_HEADER not in question.headers:
            return HttpResponse(status=401, body="no org id")
        tasks = world.running(name).healthy if name else []
        if name and not (tasks and (tasks[0].ask(path, world.clock.monotonic()) or (404, ""))[0] == 200):
            return HttpResponse(status=404, body="404 page not found")
        return HttpResponse(status=200, body=SOUND[path], url=question.url)

    return answer


@pytest.fixture
def world(tmp_path: Path) -> Simulation:
    text = (PLANS / "prefix-change.yaml").read_text(encoding="utf-8")
    (tmp_path / "plans").mkdir()
    more = "verify: reads\ntimeouts: {verify: 60}\n"
    (tmp_path / "plans" / "verified.yaml").write_text(re.sub("(?m)^name: .*$", "name: verified", text) + more)
    world = Simulation(tmp_path, plan=str(tmp_path / "plans" / "verified.yaml"), whole=True)
    world.cloud.web.update({path: answering(world, path) for path in SOUND})
    return world


def test_what_is_degraded_before_is_ok_after_it(world: Simulation) -> None:
    run = world.apply()

    assert run.verdict == "deployed", run.reason
    before: Mapping[str, str] = run.steps["verify-before"].outputs["verdicts"]
    after: Mapping[str, str] = run.steps["verify"].outputs["verdicts"]
    assert {before[name] for name in ("tempo: echo", "pyroscope: ready", "pyroscope: old paths")} == {"degraded"}
    assert {before[name] for name in ("grafana: health", "mimir: labels", "loki: labels")} == {"ok"}
    assert set(after.values()) <= {"ok", "not-configured"}


def test_what_the_run_broke_elsewhere_brings_it_back(world: Simulation) -> None:
    """The gate waits until its deadline, and then the run goes back, with the reason."""

    def broken(question: HttpRequest) -> HttpResponse:
        gone = world.paths()["pyroscope"].startswith("/pyroscope")
        return HttpResponse(status=500, body="boom") if gone else HttpResponse(status=200, body=LIST)

    world.cloud.web["/loki/api/v1/labels"] = broken
    before = world.tags()

    run = world.apply()

    assert run.verdict == "rolled-back"
    assert "loki: labels: GET /loki/api/v1/labels: 500 'boom' (Loki fails on the request)" in run.reason
    assert "after 60 s still" in run.reason
    assert world.tags() == before
    assert world.paths() == {"tempo": "/ready", "pyroscope": "/ready"}


def test_what_was_broken_before_is_not_held_against_the_run(world: Simulation) -> None:
    world.cloud.web["/loki/api/v1/labels"] = lambda _: HttpResponse(status=500, body="boom")

    run = world.apply()

    assert run.verdict == "deployed", run.reason
    assert run.steps["verify"].outputs["verdicts"]["loki: labels"] == "failed"


def test_a_service_of_the_run_must_be_ok_in_every_part(world: Simulation) -> None:
    world.cloud.web["/tempo/api/search"] = lambda _: HttpResponse(status=404, body="404 page not found")

    run = world.apply()

    assert run.verdict == "rolled-back"
    assert "tempo: search" in run.reason


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lgtm_deploy.steps.verification.asking.AGAIN_AFTER", (0.0, 0.0))


@pytest.mark.parametrize(
    ("now", "before", "whole", "stands"),
    [
        ("ok", "ok", False, False),
        ("ok", None, True, False),
        ("not-configured", "ok", True, False),
        ("degraded", "ok", False, True),
        ("degraded", "not-configured", False, True),
        ("degraded", "degraded", False, False),
        ("degraded", "degraded", True, True),
        ("degraded", None, False, False),
        ("degraded", None, True, True),
        ("failed", "degraded", False, True),
        ("failed", "failed", False, False),
        ("failed", "failed", True, True),
        ("failed", None, False, True),
    ],
)
def test_what_stands_in_the_way(now: Level, before: Level | None, whole: bool, stands: bool) -> None:
    found = Finding(service="loki", check="labels", level=now)
    baseline = {found.id: before} if before else {}

    assert bool(standing([found], baseline, ["loki"] if whole else [])) is stands


def test_the_reason_names_the_first_and_counts_the_rest() -> None:
    found = [Finding(service="loki", check=name, level="failed", asked="GET /", got="500") for name in ("a", "b")]

    assert summary(found) == "loki: a: GET /: 500 (and 1 more)"
    assert summary([]) == ""
    assert verdicts(found) == {"loki: a": "failed", "loki: b": "failed"}


SOURCES = {"/api/datasources": '[{"uid": "tempo"}, {"uid": "loki"}]'}
LOGIN = Login(headers={"Authorization": "Bearer glsa_token"})


def health(sound: bool) -> Callable[[HttpRequest], HttpResponse]:
    def answer(question: HttpRequest) -> HttpResponse:
        if question.headers.get("Authorization") != "Bearer glsa_token":
            return HttpResponse(status=401, body="{}")
        if question.url.endswith("/api/datasources"):
            return HttpResponse(status=200, body=SOURCES["/api/datasources"], url=question.url)
        status = "OK" if sound else "ERROR"
        return HttpResponse(
            status=200 if sound else 400, body=f'{{"status": "{status}", "message": "said"}}', url=question.url
        )

    return answer


def test_grafana_is_asked_for_each_data_source_before_and_after(world: Simulation, tmp_path: Path) -> None:
    ports = replace(fake_ports(world.stack, world.cloud, tmp_path), grafana=LOGIN)
    world.cloud.web.update(dict.fromkeys(("/api/datasources", "/api/datasources/uid/loki/health"), health(True)))
    step = Verify(world.stack, ports)

    world.cloud.web["/api/datasources/uid/tempo/health"] = health(False)
    before = step.judge(Inputs(mode="baseline"), step.look(Inputs(mode="baseline")))
    assert isinstance(before, Open)
    gate = Inputs(services=("grafana",), baseline=before.outputs.verdicts)
    assert "grafana: data source tempo" in str(step.judge(gate, step.look(gate)))
    world.cloud.web["/api/datasources/uid/tempo/health"] = health(True)
    after = step.judge(gate, step.look(gate))

    assert before.outputs.data_sources == "tempo degraded, loki ok"
    assert isinstance(after, Open)
    assert after.outputs.data_sources == "tempo degraded -> ok, loki ok -> ok"


def test_data_sources_may_be_all_that_is_asked(world: Simulation, tmp_path: Path) -> None:
    ports = replace(fake_ports(world.stack, world.cloud, tmp_path), grafana=LOGIN)
    for path in ("", "/uid/loki/health", "/uid/tempo/health"):
        world.cloud.web[f"/api/datasources{path}"] = health(True)
    inputs = Inputs(checks="data-sources")

    found = Verify(world.stack, ports).look(inputs).findings

    assert [each.id for each in found] == [
        "grafana: data sources",
        "grafana: data source tempo",
        "grafana: data source loki",
    ]


def test_a_data_source_whose_name_does_not_resolve_is_told_and_not_asked(world: Simulation, tmp_path: Path) -> None:
    """In a sandbox only names of Cloud Map resolve."""
    login = replace(LOGIN, no_sources="the sandbox resolves names of Cloud Map only")
    ports = replace(fake_ports(world.stack, world.cloud, tmp_path), grafana=login)
    urls = {
        "loki": "http://loki.lgtm.local:3100", "mimir": "http://mimir:8080/prometheus", "odd": "http://[", "test": "",
        "tempo": "127.0.0.1:3200",
    }  # fmt: skip
    listed = json.dumps([{"uid": uid, "url": url} for uid, url in urls.items()])
    world.cloud.web["/api/datasources"] = lambda question: HttpResponse(status=200, body=listed, url=question.url)
    world.cloud.web.update({f"/api/datasources/uid/{uid}/health": health(True) for uid in urls})
    arn = "arn:aws:servicediscovery:eu-west-1:1:service/srv-1"
    world.running("loki").registries = {arn: "loki.lgtm.local"}
    step, inputs = Verify(world.stack, ports), Inputs(checks="data-sources")

    seen = step.look(inputs)
    found = step.judge(inputs, seen)

    assert isinstance(found, Open)
    assert found.outputs.data_sources == (
        "loki ok, odd ok, test ok, tempo ok, mimir not asked: the sandbox resolves names of Cloud Map only"
    )
    [left] = [each for each in seen.findings if each.id == "grafana: data source mimir"]
    assert left.why == ("grafana: data source mimir: mimir: not asked (the sandbox resolves names of Cloud Map only)")


def test_that_nobody_may_ask_grafana_is_told(world: Simulation, tmp_path: Path) -> None:
    step = Verify(world.stack, fake_ports(world.stack, world.cloud, tmp_path))
    inputs = Inputs(checks="data-sources")

    found = step.judge(inputs, step.look(inputs))

    assert isinstance(found, Open)
    assert found.outputs.data_sources == "all not asked: it takes a login"


@pytest.mark.parametrize(("sound_after", "verdict"), [(True, "deployed"), (False, "rolled-back")])
def test_a_run_asks_grafana_before_its_first_change_and_after_its_last(
    world: Simulation, *, sound_after: bool, verdict: str
) -> None:
    world.grafana = LOGIN
    before = world.tags()

    def tempo(question: HttpRequest) -> HttpResponse:
        return health(sound_after or world.tags() == before)(question)

    world.cloud.web.update(dict.fromkeys(("/api/datasources", "/api/datasources/uid/loki/health"), health(True)))
    world.cloud.web["/api/datasources/uid/tempo/health"] = tempo

    run = world.apply()

    assert run.verdict == verdict, run.reason
    assert run.steps["data-sources-before"].outputs["data_sources"] == "tempo ok, loki ok"
    names = [call.name for call in world.cloud.calls]
    asked = next(
        at for at, call in enumerate(world.cloud.calls) if str(call.arguments.get("url")).endswith("/tempo/health")
    )
    assert asked < names.index("registry.push")
    if sound_after:
        assert run.steps["data-sources"].outputs["data_sources"] == "tempo ok -> ok, loki ok -> ok"
    else:
        assert "grafana: data source tempo" in run.reason
