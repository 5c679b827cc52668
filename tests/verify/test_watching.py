"""Asking again and again, of a real server."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.sandbox.standins.listener import Request, Response, text
from lgtm_deploy.steps.verification import Verification
from lgtm_deploy.steps.verification.watching import Watcher, watcher
from tests.verify.loopback import Answer, HurriedClock, Loopback, example, on_loopback, ports_of, started


@pytest.fixture(autouse=True)
def _ready_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GF_PATHS_PROVISIONING", "/nowhere")


class Counted:
    """Counts what Loki is asked, fails while it is told to, and says when there were enough."""

    def __init__(self) -> None:
        self.asked = 0
        self.failed = 0
        self.failing = False
        self._more = threading.Condition()

    def __call__(self, request: Request, usual: Answer) -> Response:
        if not request.path.startswith("/loki/"):
            return usual(request)
        with self._more:
            self.asked += 1
            self.failed += self.failing
            self._more.notify_all()
            return text("draining\n", 503) if self.failing else usual(request)

    def await_more(self, number: int) -> None:
        with self._more:
            wanted = self.asked + number
            assert self._more.wait_for(lambda: self.asked >= wanted, timeout=60)


def watching(stack: Loopback, folder: Path, *, only_working: bool, prefix: str | None = None) -> Watcher:
    known = example(stack.url)
    asking = Verification(known, ports_of(known, folder, HurriedClock()))
    services = list(known.services.values())
    if prefix is not None:
        services = [replace(each, prefix=prefix) if each.name == "tempo" else each for each in services]
    return watcher(asking, services, every=0.02, only_working=only_working)


def test_every_failure_is_counted_and_none_is_made_up(tmp_path: Path) -> None:
    counted = Counted()
    with on_loopback(Loopback(programs=started(), breakage=counted)) as stack:
        seen = watching(stack, tmp_path, only_working=True)
        first = counted.asked
        seen.start()
        counted.await_more(3)
        counted.failing = True
        counted.await_more(4)
        counted.failing = False
        counted.await_more(3)
        found = seen.stop(["grafana", "loki", "tempo"])

    loki = found["loki"]
    assert (loki.requests, loki.failures) == (counted.asked - first, counted.failed)
    assert loki.longest_gap > 0
    assert loki.why == "GET /loki/api/v1/labels: 503 'draining'"
    assert (found["grafana"].failures, found["tempo"].failures) == (0, 0)
    assert found["grafana"].requests > 0


def test_what_does_not_answer_at_the_beginning_is_not_watched_where_only_what_works_is(tmp_path: Path) -> None:
    with on_loopback(Loopback(programs=started())) as stack:
        seen = watching(stack, tmp_path, only_working=True, prefix="/nowhere")
        seen.start()
        found = seen.stop(["tempo", "pyroscope"])

    assert (found["tempo"].paths, found["tempo"].requests) == ((), 0)
    assert found["pyroscope"].paths == ("GET /pyroscope/ready", "POST /pyroscope/ingest")


def test_what_is_stopped_before_it_had_its_turn_was_asked_once(tmp_path: Path) -> None:
    with on_loopback(Loopback(programs=started())) as stack:
        seen = watching(stack, tmp_path, only_working=False)
        seen._ended.set()
        seen.start()
        found = seen.stop(["grafana", "loki"])

    assert {name: each.failures for name, each in found.items()} == {"grafana": 0, "loki": 0}
    assert {each.requests / len(each.paths) for each in found.values()} == {1.0}


def test_stopping_again_says_the_same(tmp_path: Path) -> None:
    with on_loopback(Loopback(programs=started())) as stack:
        seen = watching(stack, tmp_path, only_working=False)
        seen.start()
        assert seen.stop(["mimir"]) == seen.stop(["mimir"])
