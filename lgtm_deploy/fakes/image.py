"""How a program in an image behaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

OK, NOT_FOUND, UNAVAILABLE = 200, 404, 503
HANG_SECONDS = 6.0


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What can be expected of a container of this image. Times are in seconds.

    `answers` maps a path to the body of its answer, whose status is 200 or what `statuses` says; every other path is a
    404. Until `ready_seconds` after its start it answers 503 to all. With `health_paths` that time begins at the first
    question on one of them, and only they answer 503 until then. `exchanges` maps method and path to status and body
    and goes before `answers`; status 0: no answer comes. `start_seconds` pass between a task's creation and its start.
    With an `exit_code` it ends as soon as it has started, `out_of_memory` or not. `log` is what it writes, and `needs`
    are the environment variables without which it exits with code 1.
    """

    answers: Mapping[str, str] = field(default_factory=lambda: {"/ready": "ready"})
    statuses: Mapping[str, int] = field(default_factory=dict)
    exchanges: Mapping[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    health_paths: tuple[str, ...] = ()
    start_seconds: float = 1.0
    ready_seconds: float = 0.0
    exit_code: int | None = None
    out_of_memory: bool = False
    log: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    def answer(self, path: str, age: float, method: str = "GET") -> tuple[int, str]:
        """Status and body, `age` seconds after the start or, with health paths, after the first question on one."""
        bare = path.partition("?")[0]
        if age < self.ready_seconds and (not self.health_paths or bare in self.health_paths):
            return UNAVAILABLE, "not ready"
        if (method, bare) in self.exchanges:
            return self.exchanges[method, bare]
        if bare in self.answers:
            return self.statuses.get(bare, OK), self.answers[bare]
        return NOT_FOUND, "404 page not found"


@dataclass(kw_only=True)
class Life:
    """One container of an image, from its start on the clock."""

    contract: Contract
    started: float
    asked: float | None = None

    def ask(self, path: str, now: float, method: str = "GET") -> tuple[int, str]:
        """Status and body."""
        if not self.contract.health_paths:
            return self.contract.answer(path, now - self.started, method)
        if self.asked is None and path in self.contract.health_paths:
            self.asked = now
            # The question that starts the clock is answered by what it was before.
            return self.contract.answer(path, -1.0)
        return self.contract.answer(path, -1.0 if self.asked is None else now - self.asked, method)


@dataclass(frozen=True, kw_only=True)
class Source:
    """What building a context gives: a program that behaves so, or a failure in the builder's words."""

    contract: Contract = field(default_factory=Contract)
    build_error: str = ""
