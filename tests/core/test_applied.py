"""Which revision a root was applied from last."""

from typing import Any

import pytest

from lgtm_deploy.core.applied import last_applied
from lgtm_deploy.core.ports import Revision
from lgtm_deploy.core.run import Run, StepRun, StepStatus


def run(name: str, status: StepStatus = "succeeded", *, commit: str = "cafe", **changes: Any) -> Run:
    dirty = changes.pop("dirty", False)
    step = StepRun(
        id="flip",
        status=status,
        acted=status not in ("unchanged", "compensated"),
        seen={"root": changes.pop("root", "alb"), "before": {}},
        outputs={"commit": commit, "dirty": dirty},
        order=1,
    )
    return Run(id=name, steps={"flip": step})


def test_the_newest_apply_counts() -> None:
    assert last_applied([run("two", commit="beef"), run("one")], "alb") == (Revision(commit="beef"), "")


def test_what_was_brought_back_and_what_was_not_done_does_not_count() -> None:
    runs = [run("three", "compensated"), run("two", "unchanged"), run("one", commit="beef")]

    assert last_applied(runs, "alb")[0].commit == "beef"


@pytest.mark.parametrize("status", ["running", "failed", "in-doubt", "not-compensated"])
def test_an_apply_that_ended_nobody_knows_how_makes_it_unknown(status: StepStatus) -> None:
    assert last_applied([run("two", status), run("one")], "alb") == (Revision(), "run two left it unknown")


def test_uncommitted_changes_make_it_of_no_use() -> None:
    found, why = last_applied([run("one", dirty=True)], "alb")

    assert found.dirty
    assert why == "at its last apply (run one) cafe had uncommitted changes"


def test_other_roots_and_no_runs_tell_nothing() -> None:
    for runs in ([], [run("one", root="ecs")], [run("one", commit="")]):
        assert last_applied(runs, "alb") == (Revision(), "no revision is recorded for its last apply")
