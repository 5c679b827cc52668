"""What a check found, in words that somebody can act on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Literal

Level = Literal["ok", "degraded", "failed", "not-configured"]

# How bad it is. What cannot be asked says nothing against a service.
_WEIGHT: dict[Level, int] = {"not-configured": 0, "ok": 1, "degraded": 2, "failed": 3}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What an answer means: what came back (`got`), what that `means` and what to do about it (`todo`).

    degraded: the program works, but not all that it should do does. failed: it does not do its job, or not safely.
    """

    level: Level
    got: str
    means: str = ""
    todo: str = ""

    @classmethod
    def ok(cls, got: str) -> "Judgement":
        """Return that it is as it should be."""
        return cls(level="ok", got=got)

    @classmethod
    def degraded(cls, got: str, means: str, todo: str = "") -> "Judgement":
        """Return that it works, but not all of it."""
        return cls(level="degraded", got=got, means=means, todo=todo)

    @classmethod
    def failed(cls, got: str, means: str = "", todo: str = "") -> "Judgement":
        """Return that it does not do its job, or not safely."""
        return cls(level="failed", got=got, means=means, todo=todo)

    @classmethod
    def not_configured(cls, got: str, means: str, todo: str = "") -> "Judgement":
        """Return that it cannot be asked."""
        return cls(level="not-configured", got=got, means=means, todo=todo)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check of one service. `asked` is the request in short; `status` is that of the answer, 0 without one;
    `seconds` is how long the check took."""

    service: str
    check: str
    level: Level
    asked: str = ""
    got: str = ""
    means: str = ""
    todo: str = ""
    status: int = 0
    seconds: float = 0.0

    @property
    def id(self) -> str:
        """What names the check in every run."""
        return f"{self.service}: {self.check}"

    @property
    def why(self) -> str:
        """What was asked, what came back and what it means, in a line."""
        said = f"{self.asked}: {self.got}" if self.asked else self.got
        return f"{self.id}: {said}" + (f" ({self.means})" if self.means else "")


def finding(
    service: str, check: str, judgement: Judgement, *, asked: str = "", status: int = 0, seconds: float = 0.0
) -> Finding:
    """The judgement as a finding of that check."""
    return Finding(
        service=service,
        check=check,
        level=judgement.level,
        asked=asked,
        got=judgement.got,
        means=judgement.means,
        todo=judgement.todo,
        status=status,
        seconds=round(seconds, 3),
    )


def worst(levels: Iterable[Level]) -> Level:
    """The worst of them; not-configured when there is none."""
    return max(levels, key=_WEIGHT.__getitem__, default="not-configured")


def whole_api(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings about one service. Where every answer is a 404, what was `degraded` is `failed`: a service
    without any route does not do its job."""
    if any(each.status not in (0, HTTPStatus.NOT_FOUND) for each in findings):
        return list(findings)
    return [
        replace(each, level="failed", means=f"its whole API answers 404: {each.means}")
        if each.status and each.level == "degraded"
        else each
        for each in findings
    ]


def is_worse(level: Level, than: Level) -> bool:
    """Whether it is worse than the other, or than ok where the other could not be asked."""
    return _WEIGHT[level] > max(_WEIGHT[than], _WEIGHT["ok"])


def by_service(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """The findings of each service, in the order in which services first appear."""
    found: dict[str, list[Finding]] = {}
    for each in findings:
        found.setdefault(each.service, []).append(each)
    return found
