"""A run told line by line, for logs and for programs."""

import io
import json
from collections.abc import Sequence

import pytest

from lgtm_deploy.core import event as events
from lgtm_deploy.core.event import EVENTS, Event
from lgtm_deploy.core.wire import decode
from lgtm_deploy.render.jsonl import JsonLines
from lgtm_deploy.render.plain import PlainLines
from tests.render.odd import ODD, samples
from tests.render.story import REASON, at, bad, began, ended, good, opening, told, waiting


def plain(happened: Sequence[Event]) -> list[str]:
    out = io.StringIO()
    listener = PlainLines(out)
    for run, record in told(list(happened)):
        listener(run, record)
    return out.getvalue().splitlines()


def test_json_lines_are_the_records() -> None:
    out = io.StringIO()
    listener = JsonLines(out)
    for run, record in told(good()):
        listener(run, record)
    lines = out.getvalue().splitlines()

    assert [decode(line) for line in lines] == [record for _, record in told(good())]
    assert json.loads(lines[-1])["event"] == "RunFinished"


def test_a_finished_step_reads_as_documented() -> None:
    assert "00:15:02 push[tempo] done in 1.2 s  digest sha256:0123456789ab" in plain(good())


def test_the_first_line_says_what_where_and_on_which_day() -> None:
    assert plain(good())[0] == (
        "00:15:00 run 7f3a91c2: prefix-change on sandbox, 17 steps, by ci@runner-4, on 2026-01-16 UTC"
    )


def test_the_verdict_and_its_reason_come_last() -> None:
    assert plain(good())[-1] == "00:15:39 deployed after 39.6 s (exit 0): every step is done and verified"
    assert plain(bad())[-1] == f"00:15:20 rolled-back after 20.1 s (exit 1): wait-new-path[tempo] failed: {REASON}"


def test_a_failure_and_its_rollback_are_told() -> None:
    lines = plain(bad())

    assert f"00:15:14 wait-new-path[tempo] FAILED after 9.5 s: {REASON}" in lines
    assert "00:15:14 rolling back: wait-new-path[tempo] failed" in lines
    assert "00:15:19 deploy[tempo] restored in 5.0 s" in lines
    assert "00:15:20 rollback finished: everything is back as it was found" in lines


def test_every_event_is_one_line_that_begins_with_the_time() -> None:
    for line in (*plain(good()), *plain(bad())):
        assert line[2] == line[5] == ":"


def test_the_same_message_is_told_once() -> None:
    lines = plain([began("wait", 0), *(waiting("wait", second, "0 of 1 tasks running") for second in range(60))])

    assert sum("0 of 1 tasks" in line for line in lines) == 1


def test_changing_messages_are_told_every_five_seconds_at_most() -> None:
    lines = plain([began("wait", 0), *(waiting("wait", second, f"{second} s gone") for second in range(60))])

    assert [line for line in lines if "gone" in line] == [
        f"00:15:{second:02} wait {second} s gone" for second in range(0, 60, 5)
    ]


def test_a_message_held_back_is_told_later_even_if_nothing_new_is_said() -> None:
    lines = plain(
        [waiting("wait", 0, "starting"), waiting("wait", 1, "stuck"), began("other", 3), ended("other", 3, 4)]
    )

    assert "00:15:07 wait stuck" in lines


def test_a_message_of_a_step_that_has_ended_is_not_told_after_it() -> None:
    lines = plain(
        [waiting("wait", 0, "starting"), waiting("wait", 1, "nearly"), ended("wait", 0, 2), began("other", 30)]
    )

    assert not any("nearly" in line for line in lines)


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS.keys())
def test_every_event_has_words_of_its_own(kind: type[Event]) -> None:
    lines = plain([*opening(), *samples(kind)])

    assert not any(kind.__name__ in line for line in lines)


def test_an_event_of_a_later_version_is_named() -> None:
    class StepDreamed(Event):
        pass

    assert plain([StepDreamed(at=at(0), step="push")]) == ["00:15:00 push StepDreamed"]


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS.keys())
def test_odd_text_stays_on_its_line_and_moves_no_cursor(kind: type[Event]) -> None:
    for line in plain(samples(kind, ODD)):
        assert line.isprintable()


def test_signs_that_the_stream_cannot_encode_are_replaced() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    listener = PlainLines(out)
    for run, record in told([waiting("wait", 0, "übermäßig … 東京")]):
        listener(run, record)

    assert raw.getvalue() == b"00:15:00 wait ?berm??ig ? ??\n"


def test_a_run_that_was_interrupted_says_what_it_changed_and_how_to_go_on() -> None:
    end = events.RunFinished(at=at(6), verdict="interrupted", exit_code=130, seconds=6.0, reason="stopped by Ctrl-C")
    lines = plain([*opening(), end])

    assert "00:15:06 changed: deploy[tempo] lgtm-tempo:11 -> :12" in lines
    assert lines[-1] == (
        "00:15:06 interrupted after 6.0 s (exit 130): stopped by Ctrl-C."
        " Go on with: lgtm-deploy resume 7f3a91c2 --env sandbox"
    )


def test_a_step_that_is_left_as_is_is_not_called_restored() -> None:
    remains = f"lgtm-tempo:{'0123456789abcdef' * 2} remains in ECR, unused"
    happened = [
        *bad()[:-2],
        events.StepLeftAsIs(at=at(20), step="push[tempo]", seconds=0.1, remains=remains),
        events.RollbackFinished(at=at(20), left=(f"push[tempo]: {remains}",)),
    ]

    assert plain(happened)[-2:] == [
        "00:15:20 push[tempo] left as is: lgtm-tempo:0123456789ab remains in ECR, unused",
        "00:15:20 rollback finished: everything else is back as it was found",
    ]


def test_a_rollback_that_failed_lists_what_differs() -> None:
    differs = ("deploy[tempo]: lgtm-tempo:12 runs, it was lgtm-tempo:11",)
    end = events.RunFinished(at=at(9), verdict="rollback-failed", exit_code=3, seconds=9.0, reason="not back")
    lines = plain([*opening(), events.RollbackFinished(at=at(8), differs=differs), end])

    assert lines[-3:] == [
        "00:15:08 ROLLBACK INCOMPLETE",
        "00:15:08 differs: deploy[tempo]: lgtm-tempo:12 runs, it was lgtm-tempo:11",
        "00:15:09 rollback-failed after 9.0 s (exit 3): not back",
    ]
