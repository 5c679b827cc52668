"""The form of a record, in the journal and in `--output json`."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest

from lgtm_deploy.core.errors import JournalError
from lgtm_deploy.core.event import (
    EVENTS,
    SCHEMA,
    Event,
    LockTaken,
    Record,
    RollbackFinished,
    RunStarted,
    StepStarted,
    StepSucceeded,
)
from lgtm_deploy.core.wire import decode, encode

AT = datetime(2026, 1, 16, 0, 15, 4, 123000, tzinfo=UTC)
SAMPLES: Mapping[Any, Any] = {
    datetime: AT,
    datetime | None: AT,
    str: "push[tempo] \n\x1b[31m “quoted” \ud800",
    int: 7,
    float: 1.234,
    bool: True,
    tuple[str, ...]: ("one", "two"),
    Mapping[str, tuple[str, ...]]: {"a": (), "b": ("a",)},
    Mapping[str, str]: {"tag": "1"},
    Mapping[str, str] | None: {"state_lock": "7d1c"},
    Mapping[str, Any]: {"digest": "sha256:1", "deep": {"list": [1, None, "x"]}},
}


def sample(kind: type[Event]) -> Event:
    known = {"verdict": "deployed", "kind": "failed", "fence": 3}
    return kind(**{each.name: known.get(each.name) or SAMPLES[each.type] for each in fields(kind)})


def record(event: Event) -> Record:
    return Record(seq=12, run="7f3a", fence=3, event=event)


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS.keys())
def test_every_event_comes_back_as_it_was(kind: type[Event]) -> None:
    written = record(sample(kind))
    line = encode(written)

    assert decode(line) == written
    assert line.isascii()
    assert "\n" not in line


def test_a_line_reads_as_documented() -> None:
    event = StepSucceeded(at=AT, step="push[tempo]", attempt=1, seconds=1.234, outputs={"digest": "sha256:1"})

    assert encode(record(event)) == (
        '{"event": "StepSucceeded", "at": "2026-01-16T00:15:04.123Z", "run": "7f3a", "step": "push[tempo]",'
        ' "attempt": 1, "seconds": 1.234, "outputs": {"digest": "sha256:1"}, "schema": 1, "seq": 12, "fence": 3}'
    )


def test_an_event_of_the_whole_run_names_no_step() -> None:
    assert "step" not in json.loads(encode(record(LockTaken(at=AT, environment="prod", fence=3))))


def test_base_images_are_written_for_a_sandbox_only() -> None:
    event = RunStarted(at=AT, plan="p", plan_digest="", stack="s", environment="prod", by="me", steps={})

    assert "base_images" not in json.loads(encode(record(event)))
    local = replace(event, base_images={"tempo": "loaded image"})
    assert json.loads(encode(record(local)))["base_images"] == {"tempo": "loaded image"}


def test_times_of_other_zones_are_written_in_utc() -> None:
    east = AT.astimezone(timezone(timedelta(hours=9)))

    assert json.loads(encode(record(StepStarted(at=east, step="a"))))["at"] == "2026-01-16T00:15:04.123Z"


def test_read_only_mappings_are_written_as_objects() -> None:
    event = StepStarted(at=AT, step="a", inputs=MappingProxyType({"a": MappingProxyType({"b": (1, 2)})}))

    assert json.loads(encode(record(event)))["inputs"] == {"a": {"b": [1, 2]}}


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), b"bytes", AT])
def test_what_json_has_no_form_for_is_refused_by_name(value: object) -> None:
    with pytest.raises(JournalError, match=r"StepStarted of 'push\[tempo\]' cannot be written down"):
        encode(record(StepStarted(at=AT, step="push[tempo]", inputs={"value": value})))


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(JournalError, match="without a zone"):
        encode(record(StepStarted(at=AT.replace(tzinfo=None), step="a")))


def test_a_lock_with_another_fence_than_its_record_is_refused() -> None:
    with pytest.raises(JournalError, match="its fence is 4"):
        encode(record(LockTaken(at=AT, environment="prod", fence=4)))


def changed(**changes: object) -> str:
    return json.dumps(json.loads(encode(record(StepStarted(at=AT, step="a")))) | changes)


def test_a_newer_schema_is_refused_and_says_so() -> None:
    with pytest.raises(JournalError, match=f"has schema {SCHEMA + 1}; this program knows {SCHEMA}"):
        decode(changed(schema=SCHEMA + 1))


def test_an_unknown_event_is_refused_and_says_so() -> None:
    with pytest.raises(JournalError, match="'MoonLanded', which this program does not know"):
        decode(changed(event="MoonLanded"))


def test_an_unknown_field_is_passed_over() -> None:
    assert decode(changed(mood="fine")) == record(StepStarted(at=AT, step="a"))


def test_the_end_of_a_rollback_is_read_from_a_journal_that_names_nothing_left() -> None:
    line = encode(record(RollbackFinished(at=AT, differs=("a: stuck",))))
    older = json.loads(line)
    del older["left"]

    assert decode(json.dumps(older)).event == RollbackFinished(at=AT, differs=("a: stuck",))


@pytest.mark.parametrize("line", ["", "{", "[]", "null", "7", "{}", changed(at="yesterday"), changed(schema="x")])
def test_a_damaged_line_is_refused_in_one_line(line: str) -> None:
    with pytest.raises(JournalError, match="damaged") as failure:
        decode(line)
    assert "\n" not in str(failure.value)


def test_a_torn_line_is_refused() -> None:
    event = RunStarted(at=AT, plan="p", plan_digest="d", stack="s", environment="e", by="b", steps={"a": ()})
    line = encode(record(event))
    for length in range(len(line)):
        with pytest.raises(JournalError):
            decode(line[:length])
