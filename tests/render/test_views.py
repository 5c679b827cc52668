"""A run as a picture: the live table, the timeline, the preview."""

import codecs
import io
import os
import pty
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from rich.text import Text

from lgtm_deploy.core import event as events
from lgtm_deploy.core.event import EVENTS, Event, Record
from lgtm_deploy.core.preview import Finding, Preview, PreviewLine
from lgtm_deploy.core.run import Run
from lgtm_deploy.render.live import LiveTable, last_view, view
from lgtm_deploy.render.preview import preview_lines, print_preview
from lgtm_deploy.render.timeline import print_timeline, timeline
from tests.render.odd import ODD, samples
from tests.render.story import DIGEST, REASON, START, at, bad, began, good, opening, told, waiting


def after(happened: list[Event]) -> Run:
    return Run(id="7f3a91c2").folded(happened)


def plain(lines: list[Text]) -> list[str]:
    return [line.plain for line in lines]


def records(happened: list[Event]) -> list[Record]:
    return [record for _, record in told(happened)]


def moments(happened: list[Event]) -> Iterator[tuple[Run, datetime]]:
    for run, record in told(happened):
        yield run, record.event.at


# -- live --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [(79, 24), (79, 10), (40, 8), (20, 3), (1, 1), (200, 60)])
def test_a_frame_never_outgrows_the_terminal(size: tuple[int, int]) -> None:
    width, height = size
    for story in (good(), bad()):
        for run, now in moments(story):
            lines = view(run, now, width, height)
            assert len(lines) <= height
            assert all(line.cell_len <= width for line in lines), plain(lines)


def test_a_frame_shows_state_time_and_what_is_waited_for() -> None:
    lines = plain(view(after(list(opening())), at(5), 79, 24))

    assert lines[0] == "prefix-change on sandbox   9 of 17 steps   5.0 s   run 7f3a91c2"
    assert "✓ done    push[tempo]                1.2 s digest sha256:0123456789ab" in lines
    assert "▸ running wait-new-path[tempo]       1.6 s 0 of 1 tasks running (PROVISIONING)" in lines
    assert "· waiting wait-healthy[tempo]              after terraform-apply" in lines


def test_time_goes_on_without_events() -> None:
    run = after([*opening()])

    assert any("wait-new-path[tempo]        1:01 " in line for line in plain(view(run, at(64.4), 79, 24)))


def test_a_long_message_goes_on_in_a_line_of_its_own_where_there_is_room() -> None:
    message = "task 5f2c stopped, container tempo exited with 1; 1 of 3 failures"
    run = after([*opening(), waiting("wait-new-path[tempo]", 7, message)])

    assert f"    {message}" in plain(view(run, at(8), 79, 24))
    assert f"    {message}" not in plain(view(run, at(8), 79, 19))


def test_with_too_many_steps_failures_and_running_ones_stay_in_view() -> None:
    steps: dict[str, tuple[str, ...]] = {f"step{number}": () for number in range(200)}
    failed = events.StepFailed(
        at=at(2), step="step150", attempt=1, seconds=1, reason="broke", kind="failed", acted=False
    )
    opened = events.RunStarted(at=at(0), plan="p", plan_digest="", stack="s", environment="e", by="b", steps=steps)
    run = after([opened, *(began(f"step{number}", 1) for number in (3, 99, 150)), failed])

    lines = plain(view(run, at(3), 79, 10))

    assert [name for name in ("step3 ", "step99 ", "step150 ") if any(name in line for line in lines)] == [
        "step3 ",
        "step99 ",
        "step150 ",
    ]
    assert re.search(r"and \d+ waiting", "\n".join(lines))


def test_while_rolling_back_the_reason_is_in_view() -> None:
    story = bad()
    until = next(n for n, event in enumerate(story) if isinstance(event, events.StepCompensated))
    lines = plain(view(after(story[:until]), at(16), 79, 24))

    assert any(line.startswith("rolling back: wait-new-path[tempo] failed: Task 5f2c") for line in lines)
    assert any(line.startswith("↶ restoring deploy[tempo]") for line in lines)


def test_the_last_view_ends_with_the_verdict_and_its_whole_reason() -> None:
    said = " ".join(plain(last_view(after(bad()), at(30), 79)))

    assert said.endswith(f"rolled-back after 20.1 s (exit 1): wait-new-path[tempo] failed: {REASON}")


class Standing:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Screen:
    """A terminal whose other end is read here."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        self.out = os.fdopen(slave, "w", encoding="utf-8")
        self.seen = ""
        self._arrived = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # A read may end amid a character.
        text = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            try:
                more = os.read(self.master, 65536)
            except OSError:
                return
            with self._arrived:
                self.seen += text.decode(more)
                self._arrived.notify_all()

    def wait_for(self, text: str) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: text in self.seen, timeout=20), self.seen[-2000:]

    def close(self) -> str:
        self.out.close()
        self._reader.join(timeout=20)
        os.close(self.master)
        return self.seen


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    return Screen()


def test_the_table_is_redrawn_without_events_and_gives_the_cursor_back(screen: Screen) -> None:
    clock = Standing()
    with pytest.raises(KeyboardInterrupt), LiveTable(screen.out, clock, seconds_per_frame=0.01) as table:
        for run, record in told(list(opening())):
            table(run, record)
        clock.seconds = 20.0
        screen.wait_for("20.0 s")
        clock.seconds = 21.0
        screen.wait_for("21.0 s")
        table.notice("Stopping at the next safe point.")
        screen.wait_for("Stopping at the next safe point.")
        raise KeyboardInterrupt

    seen = screen.close()
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h") == 1
    assert seen.rstrip().endswith("after release-grace\x1b[0m"), "a run without verdict leaves its table alone"


def test_the_end_of_the_run_ends_the_drawing(screen: Screen) -> None:
    table = LiveTable(screen.out, Standing(), seconds_per_frame=0.01)
    for run, record in told(good()):
        table(run, record)
    table.close()

    seen = screen.close()
    assert seen.rstrip().endswith("\x1b[1;32mdeployed after 39.6 s (exit 0): every step is done and verified\x1b[0m")
    assert seen.count("deployed after") == 1


def test_a_terminal_made_smaller_is_cleared_and_drawn_anew(screen: Screen) -> None:
    with LiveTable(screen.out, Standing(), seconds_per_frame=0.01) as table:
        for run, record in told(list(opening())):
            table(run, record)
        screen.wait_for("wait-healthy[pyroscope]")
        table._console.size = (50, 12)
        screen.wait_for("\x1b[2J")

    afterwards = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.close().split("\x1b[2J")[-1])
    assert all(len(line) < 50 for line in re.split(r"[\r\n]+", afterwards))


def test_no_color_leaves_the_words(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    table = LiveTable(screen.out, Standing(), seconds_per_frame=0.01)
    for run, record in told(bad()):
        table(run, record)

    seen = screen.close()
    assert not re.search(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", seen)
    assert "failed" in seen


def test_without_a_terminal_only_the_last_view_is_written() -> None:
    out = io.StringIO()
    with LiveTable(out, Standing(), seconds_per_frame=0.01) as table:
        for run, record in told(good()):
            table(run, record)

    assert out.getvalue().splitlines() == [line.plain for line in last_view(after(good()), at(40), 80)]


# -- timeline ----------------------------------------------------------------------------------------------------------
def test_a_timeline_shows_steps_bars_and_the_critical_path() -> None:
    lines = plain(timeline(records(good()), 80))

    assert "* terraform-apply          done   +14.8 s   15.2 s           ███████████" in lines
    assert lines[-5:-2] == [
        "critical path (*): login 0.6 s > terraform-plan 14.2 s > terraform-apply 15.2 s",
        "> wait-healthy[pyroscope] 5.6 s > release-grace 0.4 s > verify 3.1 s",
        "wall 39.6 s = 1.01 x critical path 39.1 s; noticed late 0.4 s, idle 0.1 s",
    ]
    assert lines[-1] == "deployed after 39.6 s (exit 0): every step is done and verified"


def test_late_noticing_is_drawn_lighter() -> None:
    happened = [
        events.RunStarted(at=at(0), plan="p", plan_digest="", stack="", environment="e", by="b", steps={"wait": ()}),
        began("wait", 0),
        events.StepSucceeded(at=at(10), step="wait", attempt=1, seconds=10, outputs={}, since=at(5)),
    ]

    assert re.search(r"wait .* █{20,}░{20,}$", "\n".join(plain(timeline(records(happened), 80))), re.MULTILINE)


def test_a_timeline_of_a_failure_tells_the_reasons_and_the_rollback() -> None:
    said = " ".join(plain(timeline(records(bad()), 80)))

    assert "failed after 14.4 s, rollback 5.7 s" in said
    assert "wait-new-path[pyroscope] interrupted: stopped because another step failed" in said
    assert said.count(REASON) == 1


@pytest.mark.parametrize("shown", ["timeline", "last view"])
def test_what_a_rollback_left_as_is_is_named(shown: str) -> None:
    remains = f"lgtm-tempo:{'0123456789abcdef' * 2} remains in ECR, unused"
    left = events.StepLeftAsIs(at=at(20), step="push[tempo]", seconds=0.1, remains=remains)
    happened = [*bad()[:-2], left, *bad()[-2:]]
    run = Run(id="7f3a91c2").folded(happened)

    lines = plain(timeline(records(happened), 100) if shown == "timeline" else last_view(run, at(21), 100))

    assert "left as is: push[tempo]: lgtm-tempo:0123456789ab remains in ECR, unused" in lines
    [row] = [each for each in lines if "push[tempo]" in each and "left as is:" not in each]
    assert re.search(r"left as is\b", row)


def test_the_preview_of_an_undoing_names_what_would_be_left_as_is() -> None:
    out = io.StringIO()
    print_preview(Preview(plan="p", environment="prod", left=("push[tempo]: lgtm-tempo:v1 remains in ECR",)), out)

    assert out.getvalue().splitlines() == [
        "p on prod: nothing to change.",
        "Left as is: push[tempo]: lgtm-tempo:v1 remains in ECR",
    ]


def test_a_timeline_of_an_undone_run_tells_of_no_failure() -> None:
    undone: list[Event] = [
        *good(),
        events.RunResumed(at=at(100), by="me", undo=True),
        events.RollbackStarted(at=at(100), reason="asked for by me"),
        events.RollbackFinished(at=at(120)),
        events.RunFinished(at=at(120), verdict="rolled-back", exit_code=0, seconds=20.0, reason="asked for by me"),
    ]

    said = " ".join(plain(timeline(records(undone), 80)))

    assert "undone after 1 min 40 s, rollback 20.0 s" in said
    assert "rolled-back after 20.0 s (exit 0): asked for by me" in said


def test_a_timeline_tells_the_base_images_of_a_sandbox_and_of_nothing_else() -> None:
    first, *rest = opening()
    assert isinstance(first, events.RunStarted)
    images = {"grafana": "stand-in (not recorded)", "tempo": "loaded image", "loki": "loaded image"}

    lines = plain(timeline(records([replace(first, base_images=images), *rest]), 80))

    assert lines[1:3] == ["base images, loaded image: loki, tempo", "base images, stand-in (not recorded): grafana"]
    assert not [each for each in plain(timeline(records([first, *rest]), 80)) if "base images" in each]


def test_a_timeline_of_nothing_says_so() -> None:
    assert plain(timeline([], 80)) == ["Nothing is recorded of this run."]


def test_a_run_without_verdict_says_how_to_go_on() -> None:
    said = " ".join(plain(timeline(records(list(opening())), 80)))

    assert "go on with: lgtm-deploy resume 7f3a91c2 --env sandbox" in said


# -- preview -----------------------------------------------------------------------------------------------------------
def test_a_preview_names_steps_changes_and_details() -> None:
    out = io.StringIO()
    detail = "~ tempo health_check.path: /ready -> /tempo/ready"
    line = PreviewLine(step="terraform-apply", change=f"2 to change, for {DIGEST}", details=(detail,))
    print_preview(Preview(plan="prefix-change", environment="prod", lines=(line,), unchanged=("login",)), out)

    assert out.getvalue().splitlines() == [
        "prefix-change on prod would change:",
        "  terraform-apply  2 to change, for sha256:0123456789ab",
        "      ~ tempo health_check.path: /ready -> /tempo/ready",
        "Nothing to do for: login",
    ]


def test_a_preview_has_a_heading_for_each_phase() -> None:
    steps = (("push[tempo]", "push"), ("push[loki]", "push"), ("deploy[tempo]", "deploy"))
    lines = tuple(PreviewLine(step=step, change="it", phase=phase) for step, phase in steps)

    shown = [each.plain.split() for each in preview_lines(Preview(plan="p", environment="e", lines=lines), 60)]

    assert shown[1:] == [["push"], ["push[tempo]", "it"], ["push[loki]", "it"], ["deploy"], ["deploy[tempo]", "it"]]


def test_a_preview_begins_with_the_base_images_of_a_sandbox() -> None:
    images = {"grafana": "stand-in (not recorded)", "tempo": "vendor image"}
    preview = Preview(plan="prefix-change", environment="sandbox", base_images=images)

    assert plain(preview_lines(preview, 80)) == [
        "base images",
        "    stand-in (not recorded): grafana",
        "    vendor image: tempo",
        "prefix-change on sandbox: nothing to change.",
    ]


def test_a_preview_of_no_change_is_one_line() -> None:
    preview = Preview(plan="prefix-change", environment="prod", unchanged=("login",))

    assert not preview.changes
    assert plain(preview_lines(preview, 80)) == ["prefix-change on prod: nothing to change."]


def test_what_was_found_comes_first_and_a_table_keeps_its_columns() -> None:
    found = Finding(
        step="probe-image[tempo]",
        lines=(
            "path            new image   runs now",
            "/ready                404        200",
            "a sentence of more words than one narrow line can hold",
        ),
    )
    preview = Preview(plan="prefix-change", environment="prod", findings=(found,))

    assert plain(preview_lines(preview, 42)) == [
        "probe-image[tempo]",
        "    path            new image   runs now",
        "    /ready                404        200",
        "    a sentence of more words than one",
        "      narrow line can hold",
        "prefix-change on prod: nothing to change.",
    ]


# -- odd input ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS.keys())
def test_odd_input_is_shown_within_the_width(kind: type[Event]) -> None:
    for happened in (samples(kind, ODD), [*opening(), *samples(kind, ODD)], [*samples(kind, ""), *samples(kind, ODD)]):
        for width in (1, 7, 79):
            run = after(happened)
            lines = [*view(run, at(9), width, 24), *last_view(run, at(9), width), *timeline(records(happened), width)]
            for line in lines:
                assert line.plain.isprintable()
                assert line.cell_len <= width


def test_an_odd_preview_is_shown_within_the_width() -> None:
    line = PreviewLine(step=ODD, change=ODD, details=(ODD, ""))
    for width in (1, 20, 79):
        for each in preview_lines(
            Preview(
                plan=ODD,
                environment="",
                lines=(line,),
                unchanged=(ODD,),
                findings=(Finding(step=ODD, lines=(ODD, f"{ODD}    {ODD}")),),
            ),
            width,
        ):
            assert each.plain.isprintable()
            assert each.cell_len <= width


def test_a_stream_that_cannot_encode_the_symbols_gets_replacements() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_timeline(records(good()), out)
    with LiveTable(out, Standing(), seconds_per_frame=0.01) as table:
        for run, record in told(good()):
            table(run, record)
