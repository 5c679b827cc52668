"""The replay finds what a stand-in answers differently, and nothing else."""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.replay import run
from bench.replay.own import SERVERS, OwnRequests
from bench.replay.recording import load
from bench.replay.report import Report
from bench.replay.run import RECORDINGS, Options, replay

Json = dict[str, Any]
Change = Callable[[Json], None]

SERVER = Path(__file__).with_name("fake_server.py")
JSON = {"content-type": "application/json"}
SEARCH = '{"traces":[{"traceID":"5b8aa5a2d2c872e8321cf37308d69df2"}],"metrics":{"inspectedBytes":"17303"}}'


def exchange(name: str, at: float, path: str, body: str, *, tenant: str = "demo", **response: Any) -> Json:
    return {
        "name": name,
        "at_s": at,
        "request": {"method": "GET", "path": path, "headers": {"X-Scope-OrgID": tenant}},
        "response": {"status": 200, "headers": JSON, "body": body, **response},
    }


def recording() -> Json:
    """A few exchanges with a Tempo."""
    return {
        "server": "tempo",
        "version": "2.9.0",
        "config_name": "plain",
        "config_yaml": "server:\n  http_listen_port: 3200\n",
        "flags": ["-config.file=/etc/tempo/tempo-config.yaml"],
        "notes": "",
        "port": 3200,
        "ready_path": "/ready",
        "base_time_unix_s": 1796079777,
        "ready_after_s": 16.0,
        "first_ready_answers": [[0.0, 0, "does not listen"], [0.5, 503, "waiting for 15s"], [16.0, 200, "ready\n"]],
        "exchanges": [
            exchange("echo", 17.0, "/api/echo", "echo\n"),
            exchange("search", 17.1, "/api/search?limit=1", SEARCH),
            exchange("tags", 17.2, "/api/not-asked-by-the-product", '{"scopes":[{"name":"span","tags":["run"]}]}'),
            exchange("version", 17.3, "/status/version", "tempo, version 2.9.0\n"),
            exchange("a hang", 17.4, "/api/hang", "", status=0, error="TimeoutError: timed out", headers={}),
        ],
        "stop": {"signal": "TERM", "exit_code": 0, "after_s": 30.0},
    }


def refusal() -> Json:
    """A configuration that is refused."""
    return {
        **recording(),
        "config_name": "unknown-key",
        "base_time_unix_s": None,
        "ready_after_s": None,
        "first_ready_answers": [[0.0, 0, "does not listen"]],
        "exchanges": [],
        "exit_code": 1,
        "exited_after_s": 0.5,
        "log_tail": [
            'level=info ts=2026-11-30T23:03:36.447845223Z msg="Starting"',
            'level=error ts=2026-11-30T23:03:36.5Z msg="error running" err="field nope not found"',
        ],
    }


@pytest.fixture(scope="module")
def own() -> OwnRequests:
    return OwnRequests.collect()


@pytest.fixture
def played(tmp_path: Path, own: OwnRequests, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Report]:
    """Replay a recording, changed after the server has read it."""
    monkeypatch.setattr(run.OwnRequests, "collect", lambda: own)

    def play(change: Change = lambda _: None, base: Json | None = None) -> Report:
        base = base or recording()
        known = tmp_path / "known.json"
        known.write_text(json.dumps(base))
        changed = copy.deepcopy(base)
        change(changed)
        folder = tmp_path / "recordings"
        folder.mkdir(exist_ok=True)
        (folder / "tempo.json").write_text(json.dumps(changed))
        command = (sys.executable, str(SERVER), str(known))
        return replay(Options(folder=folder, factor=40.0, command=command))

    return play


def reasons(report: Report) -> list[str]:
    return [f"{row.where}: {row.wrong}" for result in report.results for row in result.rows if row.wrong]


def test_a_server_that_answers_as_recorded_has_no_difference(played: Callable[..., Report]) -> None:
    report = played()

    assert (reasons(report), report.faults()) == ([], [])
    assert "exchanges: 5, of which match 5: 4 byte for byte, 0 by shape, 1 pages by status" in report.counts()[2]
    assert "exchanges with a request of the product: 2 of 2 match (100.0%)" in report.counts()
    [place] = [at for at, line in enumerate(report.counts()) if "these recordings do not hold" in line]
    assert all(line.startswith("  tempo ") for line in report.counts()[place + 1 :])


def test_one_changed_status_fails(played: Callable[..., Report]) -> None:
    def change(data: Json) -> None:
        data["exchanges"][1]["response"]["status"] = 500

    report = played(change)

    assert reasons(report)[0].startswith("search: status 500 recorded, 200 found")
    assert report.faults() == ["exchanges with a request of the product: 1 of 2 match, 100% are needed"]


@pytest.mark.parametrize(
    ("place", "body", "reason"),
    [
        (1, SEARCH.replace("traceID", "traceId"), "search: body.traces[]: "),
        (2, '{"scope":[{"name":"span","tags":["run"]}]}', "tags: body.scope: lacking"),
        (2, '{"scopes":[{"name":"span","tags":[1]}]}', "tags: body.scopes[]: "),
        (0, "echo!\n", "echo: body"),
    ],
)
def test_a_changed_shape_of_a_body_is_found(played: Callable[..., Report], place: int, body: str, reason: str) -> None:
    def change(data: Json) -> None:
        data["exchanges"][place]["response"]["body"] = body

    report = played(change)

    assert len(reasons(report)) == 1
    assert reasons(report)[0].startswith(reason)
    assert report.faults()


def test_ids_times_and_statistics_may_differ(played: Callable[..., Report]) -> None:
    def change(data: Json) -> None:
        body = SEARCH.replace("5b8aa5a2d2c872e8", "0123456789abcdef").replace('"inspectedBytes":"17303"', "")
        data["exchanges"][1]["response"]["body"] = body
        data["exchanges"][3]["response"]["body"] = "tempo, version 3.0.3\n"

    report = played(change)

    assert (reasons(report), report.faults()) == ([], [])
    assert "1 by a caveat" in report.counts()[2]


def test_a_changed_content_type_is_found(played: Callable[..., Report]) -> None:
    def change(data: Json) -> None:
        data["exchanges"][3]["response"]["headers"] = {"content-type": "text/html"}

    assert reasons(played(change)) == ["version: content-type 'text/html' recorded, 'application/json' found"]


def test_an_answer_where_a_hang_was_recorded_is_found(played: Callable[..., Report]) -> None:
    def change(data: Json) -> None:
        data["exchanges"][2]["response"] = {"status": 0, "headers": {}, "body": "", "error": "TimeoutError: timed out"}

    assert reasons(played(change)) == ["tags: timed out recorded, 200 found"]


def test_readiness_that_comes_too_early_is_found(played: Callable[..., Report]) -> None:
    def change(data: Json) -> None:
        data["first_ready_answers"][2][0] = data["ready_after_s"] = 46.0

    [reason] = reasons(played(change))

    assert reason.startswith("time of readiness: 45.5 s recorded, 1")


def test_another_refusal_before_readiness_is_found(played: Callable[..., Report]) -> None:
    def change(data: Json) -> None:
        data["first_ready_answers"][1][2] = "Some services are not Running"

    [reason] = reasons(played(change))

    assert reason.startswith("order of readiness answers: 503 'waiting for #s' is not recorded here")


def test_a_stop_that_is_too_fast_is_found(played: Callable[..., Report]) -> None:
    def change(data: Json) -> None:
        data["stop"] = {"signal": "TERM", "exit_code": "killed after 45 s", "after_s": 45.0}

    [reason] = reasons(played(change))

    assert reason.startswith("SIGTERM: killed after 45 s recorded, exit code 0 after ")


def test_exit_code_and_cause_of_a_refused_configuration_are_compared(played: Callable[..., Report]) -> None:
    def change(data: Json) -> None:
        data["exit_code"] = 2
        data["log_tail"][1] = data["log_tail"][1].replace("nope", "other")

    assert reasons(played(base=refusal())) == []
    code, cause = reasons(played(change, refusal()))
    assert code == "exit code: exit code 2 recorded, 1 found"
    assert cause.startswith("cause in the log: 'level=error")


def test_a_configuration_that_should_be_refused_and_is_not_is_found(played: Callable[..., Report]) -> None:
    def change(data: Json) -> None:
        data.update(refusal())

    assert reasons(played(change))[0] == "exit: exit code 1 recorded, it runs on"


def test_a_recording_of_which_nothing_is_compared_fails(tmp_path: Path, played: Callable[..., Report]) -> None:
    def change(data: Json) -> None:
        data.clear()

    report = played(change)

    assert report.faults()[0].startswith("tempo: nothing was compared (")


def test_a_recording_without_questions_fails(played: Callable[..., Report]) -> None:
    def change(data: Json) -> None:
        data.update(first_ready_answers=[], exchanges=[])

    assert played(change).faults()[0].startswith("tempo: nothing was compared (it cannot be played: ")


def test_a_folder_without_recordings_fails(tmp_path: Path) -> None:
    assert replay(Options(folder=tmp_path)).faults() == ["there is no recording"]


def test_requests_of_the_product_are_collected_for_each_server(own: OwnRequests) -> None:
    assert all(own.counts()[server] >= 5 for server in SERVERS)
    asked = {(each.server, each.method, each.path) for each in own.requests}
    assert {
        ("tempo", "POST", "/v1/traces"),
        ("tempo", "GET", "/api/traces/<id of 32>"),
        ("loki", "POST", "/loki/api/v1/push"),
        ("mimir", "POST", "/api/v1/push"),
        ("pyroscope", "POST", "/querier.v1.QuerierService/Series"),
    } <= asked


def test_the_round_trip_of_a_profile_is_recorded(own: OwnRequests) -> None:
    [recording] = load(RECORDINGS, "pyroscope-2.0.4-plain")
    names = {each.name for each in recording.exchanges if own.sends(each, recording)}

    unrecorded = own.unrecorded({"pyroscope"})

    assert "ingest: the same again" in names
    assert 'Series {service_name="lgtm.verify",run="plain"}, first look' in names
    assert not [each for each in unrecorded if "/ingest?name=" in each]
    assert all(each.startswith("pyroscope ") for each in unrecorded)


def test_each_server_is_asked_as_another_tenant_and_as_none(own: OwnRequests) -> None:
    for server in SERVERS:
        tenants = {dict(each.headers).get("x-scope-orgid") for each in own.requests if each.server == server}
        assert {"demo", "lgtm-deploy-nobody", None} <= tenants
