"""An image that hangs costs one request's time, however many paths it is asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lgtm_deploy.core.errors import TimedOutError
from lgtm_deploy.core.ports import Answer, ContainerSpec, Ended, Progress, RunningImage
from lgtm_deploy.core.stack import Health, Probe
from lgtm_deploy.core.trial import Questions
from lgtm_deploy.fakes import FakeClock
from lgtm_deploy.steps.trying import Subject, try_out

READS = tuple(Probe(path=f"/read/{number}") for number in range(14))
EXPECTS = (Probe(path="/expected"),)
OTHERS = (Probe(path="/other"),)


class Hanging:
    """A started image that is ready and answers nothing else. It gives up when all questions have come."""

    variables: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.together = threading.Barrier(len(READS) + len(EXPECTS) + len(OTHERS), timeout=60)

    def ask(self, path: str, *, method: str = "GET", send: str = "", tenant: str = "") -> Answer:
        if path == "/ready":
            return Answer(status=200, body="ready", seconds=0.1)
        self.together.wait()
        raise TimedOutError(f"{path} does not answer.", seconds=6.0)

    def ended(self) -> Ended | None:
        return None

    def log(self) -> tuple[str, ...]:
        return ()


class Probing:
    """Starts the image that hangs."""

    @contextmanager
    def start(self, image: str, spec: ContainerSpec, port: int, progress: Progress) -> Iterator[RunningImage]:
        yield Hanging()

    def unknown(self, secrets: object) -> tuple[str, ...]:
        return ()

    def pause(self, seconds: float) -> None:
        raise AssertionError("A request that hangs is not made again.")


def test_all_paths_are_asked_side_by_side_and_one_that_hangs_once() -> None:
    subject = Subject(
        name="new image",
        image="sha256:new",
        spec=ContainerSpec(),
        port=4040,
        questions=Questions(checks=("/ready",), paths=OTHERS, expects=EXPECTS, reads=READS, routed=()),
        health=Health(path="/ready", body="ready"),
        matcher="200",
        timeout=5,
        tenant="demo",
        within=120,
        patience=5,
    )

    found = try_out(subject, Probing(), FakeClock(), lambda _: None)

    assert [reply.waited for reply in found.trial.reads] == [6.0] * len(READS)
    assert found.unmet == ("GET /expected does not answer within 6 s, the stack file expects 200",)
    assert not found.fails
