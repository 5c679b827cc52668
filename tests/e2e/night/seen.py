"""How the tool met a case: its verdict, its reason, its time, and what it changed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TextIO

from tests.e2e.conftest import Checkout, Said
from tests.e2e.facts import fewest_healthy, killed_by_checks
from tests.e2e.night.cases import Case

# Under which a test keeps its row for the table at the end.
ROW = "night"
_WIDTHS = (4, 52, 9, 70, 7, 8)
_NAMES = ("case", "what was changed", "verdict", "reason", "seconds", "mutating")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """`seconds` is the wall time of the command; `mutating` counts the calls that changed something in the cloud."""

    case: str
    change: str
    verdict: str
    reason: str
    seconds: float
    mutating: int
    exit_code: int


def meet(case: Case, checkout: Checkout, *, verb: str = "apply") -> Seen:
    """Commits the case's change and runs the verb on its plan, with everything approved."""
    case.commit(checkout)
    return look(case, checkout, verb=verb)


def look(case: Case, checkout: Checkout, *, verb: str = "apply") -> Seen:
    """Runs the verb on the case's plan as things are."""
    began = time.time()
    said = checkout.apply(plan=case.plan) if verb == "apply" else checkout.run(verb, case.plan)
    ended = time.time()
    return Seen(
        case=case.id,
        change=case.change,
        verdict=_verdict(said),
        reason=_reason(said, checkout) or _passage(checkout, began, ended),
        seconds=said.seconds,
        mutating=len(changing(checkout, began)),
        exit_code=said.exit_code,
    )


def changing(checkout: Checkout, since: float) -> list[Mapping[str, Any]]:
    """The calls that changed something since then; Terraform's own state and its lock are not the cloud's."""
    return [each for each in checkout.requests(since) if each["service"] not in ("dynamodb", "s3")]


def as_properties(seen: Seen) -> dict[str, Any]:
    """What a test report can carry."""
    return asdict(seen)


def print_table(rows: Sequence[Seen], out: TextIO) -> None:
    """One line a case, its reason cut to width."""
    for cells in (_NAMES, *(_cells(each) for each in sorted(rows, key=lambda row: row.case))):
        line = (cell[:width].ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
        out.write("  ".join(line).rstrip() + "\n")


def _cells(seen: Seen) -> tuple[str, ...]:
    return (seen.case, seen.change, seen.verdict, seen.reason, f"{seen.seconds:.1f}", str(seen.mutating))


def _verdict(said: Said) -> str:
    if said.out.startswith("{"):
        return str(said.finished["verdict"])
    return "refused" if said.exit_code == 2 else f"exit {said.exit_code}"


def _passage(checkout: Checkout, since: float, until: float) -> str:
    """How a change that went through was for its users."""
    fewest = min(fewest_healthy(checkout.records(), since, until).values())
    killed = len(killed_by_checks(checkout.records(since)))
    return f"never fewer than {fewest} healthy target(s), {killed} tasks killed by a check"


def _reason(said: Said, checkout: Checkout) -> str:
    """What the person is told: the verdict's reason, or the line on standard error of a run that did not begin."""
    text = str(said.finished["reason"]) if said.out.startswith("{") else said.err.removeprefix("Error: ")
    return text.replace(f"{checkout.folder}/", "").strip()
