"""Is the whole stack really working? Before the change, during it and after it, on real parts."""

import json
import xml.etree.ElementTree as Xml
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import Checkout, Said

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

UNCHANGED = ("grafana", "mimir", "loki")
MOVED = ("tempo", "pyroscope")


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What `verify` said, as JSON."""

    said: Said

    @property
    def services(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.said.out)["services"]
        return found

    @property
    def findings(self) -> dict[str, dict[str, Any]]:
        return {f"{each['service']}: {each['check']}": each for each in json.loads(self.said.out)["findings"]}


def verify(checkout: Checkout, *words: str) -> Verified:
    return Verified(said=checkout.run("verify", *words, "--env", "sandbox", "--output", "json"))


@dataclass(frozen=True, kw_only=True)
class Change:
    """The stack before `prefix-change`, the run, and the stack after it."""

    checkout: Checkout
    before: Verified
    applied: Said
    after: Verified


@pytest.fixture(scope="module")
def change(today: Checkout) -> Iterator[Change]:
    before = verify(today)
    applied = today.apply("--watch")
    yield Change(checkout=today, before=before, applied=applied, after=verify(today, "--write"))


def test_before_the_change_no_path_of_tempo_answers_and_some_of_pyroscope_do_and_it_is_said_why(change: Change) -> None:
    assert change.before.said.exit_code == 1, change.before.said.err
    assert change.before.services == {**dict.fromkeys(UNCHANGED, "ok"), "tempo": "failed", "pyroscope": "degraded"}
    echo = change.before.findings["tempo: echo"]
    assert (echo["asked"], echo["got"]) == ("GET /tempo/api/echo", "404 '404 page not found'")
    for name, program in (("tempo", "Tempo"), ("pyroscope", "Pyroscope")):
        moved = change.before.findings[f"{name}: moved paths"]
        assert f"forwards /{name}/* as it is, and this {program} does not serve the prefix /{name}" in moved["means"]
        assert "prefix-change" in moved["todo"]
    assert change.before.findings["pyroscope: kept paths"]["level"] == "ok"


def test_after_the_change_all_five_are_ok_and_what_is_written_is_read_back(change: Change) -> None:
    findings = change.after.findings
    assert [each for each in findings.values() if each["level"] in ("degraded", "failed")] == []
    assert change.after.services == dict.fromkeys((*UNCHANGED, *MOVED), "ok")
    for check in ("mimir: read back", "loki: read back", "tempo: read by id", "tempo: found by search",
                  "pyroscope: read back", "grafana: annotation removed"):  # fmt: skip
        assert findings[check]["level"] == "ok"
    for name in ("mimir", "loki", *MOVED):
        assert findings[f"{name}: no tenant"]["got"] == "refused with 401"
        assert findings[f"{name}: other tenant"]["level"] == "ok"
        assert findings[f"{name}: image"]["level"] == "ok"


def test_no_request_fails_during_the_change_but_on_paths_that_move(change: Change) -> None:
    assert change.applied.exit_code == 0, change.applied.err
    assert change.applied.finished["event"] == "RunFinished"
    [measured] = [each["services"] for each in change.applied.events if each["event"] == "AvailabilityMeasured"]
    for name in UNCHANGED:
        assert measured[name]["requests"] > 20
    assert measured["pyroscope"]["paths"] == ["POST /pyroscope/ingest"]
    assert measured["pyroscope"]["requests"] > 20
    assert measured["tempo"]["paths"] == [], "nothing of Tempo answered through the load balancer before"
    assert {name: each["failures"] for name, each in measured.items()} == dict.fromkeys((*UNCHANGED, *MOVED), 0)


def test_show_tells_who_answered(change: Change) -> None:
    said = change.checkout.run("show")

    assert "availability of grafana: " in said.out
    assert "availability of tempo: not watched" in said.out
    assert " requests, none failed" in said.out


def test_the_table_the_page_and_the_test_report_say_the_same(change: Change) -> None:
    table = change.checkout.run("verify", "loki", "--env", "sandbox")
    page = change.checkout.run("verify", "loki", "--env", "sandbox", "--format", "markdown")
    report = change.checkout.run("verify", "loki", "--env", "sandbox", "--format", "junit")

    assert (table.exit_code, page.exit_code, report.exit_code) == (0, 0, 0)
    assert table.out.splitlines()[-1] == "loki ok"
    assert "| loki | labels | ok |" in page.out
    [suite] = Xml.fromstring(report.out)
    assert (suite.get("name"), suite.get("failures")) == ("loki", "0")


def test_what_can_be_watched_is_watched_for_a_while(change: Change) -> None:
    said = change.checkout.run("verify", "loki", "--watch", "0.2", "--for", "2", "--env", "sandbox", "--output", "json")

    [found] = json.loads(said.out)["findings"]
    assert (said.exit_code, found["level"], found["check"]) == (0, "ok", "availability")
    assert found["got"].endswith("requests, none failed")
