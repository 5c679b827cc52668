"""Which state locks a journal names."""

from lgtm_deploy.core.event import Event, Record, RunStarted, StepProgressed
from lgtm_deploy.core.state_lock import state_locks
from lgtm_deploy.core.wire import decode, encode
from lgtm_deploy.fakes import FakeClock

AT = FakeClock().now()


def told(message: str, **facts: str) -> StepProgressed:
    return StepProgressed(at=AT, step="flip", message=message, facts=facts or None)


def written(*events: Event) -> list[Record]:
    """The events as another process reads them."""
    return [
        decode(encode(Record(seq=number, run="ab12", fence=1, event=event))) for number, event in enumerate(events, 1)
    ]


def test_each_lock_is_known_with_the_process_that_took_it() -> None:
    records = written(
        told("holding the state's lock one", state_lock="one", process="p1"),
        told("Modifying..."),
        told("something else", other="x"),
        told("holding the state's lock two", state_lock="two", process="p2"),
    )

    assert state_locks(records) == {"one": "p1", "two": "p2"}


def test_what_a_program_prints_is_no_lock() -> None:
    started = RunStarted(at=AT, plan="p", plan_digest="d", stack="s", environment="e", by="me", steps={})

    assert state_locks(written(started, told("holding the state's lock one"))) == {}


def test_a_message_without_facts_is_written_as_before() -> None:
    [line] = [encode(record) for record in written(told("Modifying..."))]

    assert "facts" not in line
