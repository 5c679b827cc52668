"""From how the steps ended to one word."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lgtm_deploy.core.event import EXIT_CODES, Verdict
from lgtm_deploy.core.run import Run, StepRun
from lgtm_deploy.core.verdict import Ending, cause, conclude, ending, went_back

DONE = {"status": "succeeded", "acted": True}
LOOKED = {"status": "succeeded"}
IDLE = {"status": "unchanged"}
WAITING: dict[str, Any] = {}
DOUBT = {"status": "in-doubt", "acted": True, "reason": "lost"}


def failed(kind: str = "failed", *, acted: bool = False) -> dict[str, Any]:
    return {"status": "failed", "kind": kind, "reason": f"was {kind}", "acted": acted}


def run_of(*steps: Mapping[str, Any], differs: tuple[str, ...] = ()) -> Run:
    named: list[StepRun] = []
    for index, step in enumerate(steps, start=1):
        fields: dict[str, Any] = {"id": f"s{index}", "order": index, **step}
        named.append(StepRun(**fields))
    return Run(id="7f3a", steps={step.id: step for step in named}, differs=differs)


@pytest.mark.parametrize(
    ("steps", "asked", "late", "expected"),
    [
        ([DONE, IDLE], False, False, "done"),
        ([DONE, IDLE], True, False, "done"),
        ([DONE, IDLE], True, True, "done"),
        ([DONE, WAITING], True, False, "interrupted"),
        ([DONE, WAITING], True, True, "timed-out"),
        ([DONE, failed("interrupted")], True, False, "interrupted"),
        ([DONE, DOUBT], False, False, "in-doubt"),
        ([DONE, DOUBT], True, False, "interrupted"),
        ([DONE, DOUBT], True, True, "timed-out"),
        ([DONE, failed()], False, False, "failed"),
        ([DONE, failed("refused")], False, False, "failed"),
        ([DONE, failed("timed-out")], False, False, "failed"),
        ([DONE, failed()], True, True, "failed"),
        ([failed(), failed("interrupted"), DOUBT], False, False, "failed"),
        ([failed(), failed("superseded")], False, False, "superseded"),
    ],
)
def test_how_the_steps_ended(steps: list[dict[str, Any]], asked: bool, late: bool, expected: Ending) -> None:
    assert ending(run_of(*steps), asked_to_stop=asked, late=late) == expected


@pytest.mark.parametrize(
    ("steps", "end", "expected"),
    [
        ([DONE, LOOKED, IDLE], "done", ("deployed", 0, "")),
        ([IDLE, LOOKED], "done", ("unchanged", 0, "")),
        ([failed()], "failed", ("refused", 2, "s1: was failed")),
        ([DONE, failed()], "failed", ("halted", 7, "s2: was failed; changed and left so: s1")),
        ([DONE, failed("superseded")], "superseded", ("superseded", 6, "s2: was superseded; changed and left so: s1")),
        ([DONE, DOUBT], "in-doubt", ("timed-out", 5, "s2: lost")),
        ([DONE, WAITING], "interrupted", ("interrupted", 130, "stopped on request; done so far: s1")),
        ([IDLE, failed("interrupted")], "interrupted", ("interrupted", 130, "was interrupted")),
        ([DONE, failed("interrupted")], "timed-out", ("timed-out", 5, "was interrupted; done so far: s1")),
    ],
)
def test_the_verdict(steps: list[dict[str, Any]], end: Ending, expected: tuple[Verdict, int, str]) -> None:
    conclusion = conclude(run_of(*steps), end)

    assert (conclusion.verdict, EXIT_CODES[conclusion.verdict], conclusion.reason) == expected


@pytest.mark.parametrize(
    ("differs", "expected"),
    [
        ((), ("rolled-back", 1, "s1: was failed")),
        (("a: stuck", "b: gone"), ("rollback-failed", 3, "s1: was failed; not as it was: a: stuck; b: gone")),
    ],
)
def test_a_rollback_lists_what_it_left(differs: tuple[str, ...], expected: tuple[Verdict, int, str]) -> None:
    conclusion = went_back(replace(run_of(failed(acted=True), differs=differs), reason="s1: was failed"))

    assert (conclusion.verdict, EXIT_CODES[conclusion.verdict], conclusion.reason) == expected


def test_the_reason_is_the_failure_that_came_first() -> None:
    later, first = failed() | {"order": 2, "id": "later"}, failed("refused") | {"order": 1, "id": "first"}

    assert cause(run_of(later, first)) == "first: was refused"
