"""How a program in an image behaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

OK, NOT_FOUND, UNAVAILABLE = 200, 404, 503


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What can be expected of a container of this image. Times are in seconds.

    `answers` maps a path to the body of its 200; every other path is a 404. Until `ready_seconds` after its start it
    answers 503 to all. `start_seconds` pass between a task's creation and its start. With an `exit_code` it ends as
    soon as it has started. `log` is what it writes.
    """

    answers: Mapping[str, str] = field(default_factory=lambda: {"/ready": "ready"})
    start_seconds: float = 1.0
    ready_seconds: float = 0.0
    exit_code: int | None = None
    log: tuple[str, ...] = ()

    def answer(self, path: str, age: float) -> tuple[int, str]:
        """Status and body, `age` seconds after the start."""
        if age < self.ready_seconds:
            return UNAVAILABLE, "not ready"
        bare = path.partition("?")[0]
        if bare in self.answers:
            return OK, self.answers[bare]
        return NOT_FOUND, "404 page not found"


@dataclass(frozen=True, kw_only=True)
class Source:
    """What building a context gives: a program that behaves so, or a failure in the builder's words."""

    contract: Contract = field(default_factory=Contract)
    build_error: str = ""
