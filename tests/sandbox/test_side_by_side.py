"""Long actions at once."""

import threading

import pytest

from lgtm_deploy.core.errors import InterruptedRunError, PermanentError
from lgtm_deploy.sandbox.side_by_side import SideBySide


def test_results_come_in_the_order_of_the_actions() -> None:
    first = threading.Event()

    def one() -> int:
        first.wait(5)
        return 1

    def two() -> int:
        first.set()
        return 2

    assert SideBySide(lambda _text: None).run([one, two]) == [1, 2]


def test_what_actions_say_is_told_from_the_callers_thread() -> None:
    told: list[tuple[str, int]] = []
    together = SideBySide(lambda text: told.append((text, threading.get_ident())) if text else None)

    def speak() -> None:
        together.tell("hello")
        threading.Event().wait(0.3)

    together.run([speak])
    assert told == [("hello", threading.get_ident())]


def test_a_failure_stops_the_others() -> None:
    together = SideBySide(lambda _text: None)
    stopped = threading.Event()

    def fail() -> None:
        raise PermanentError("no")

    def go_on() -> None:
        try:
            while True:
                together.tell("")
        except InterruptedRunError:
            stopped.set()
            raise

    with pytest.raises(PermanentError, match="no"):
        together.run([go_on, fail])
    assert stopped.is_set()


def test_an_interrupted_caller_stops_them_all() -> None:
    def interrupt(_text: str) -> None:
        raise KeyboardInterrupt

    together = SideBySide(interrupt)

    def go_on() -> None:
        while True:
            together.tell("")

    with pytest.raises(KeyboardInterrupt):
        together.run([go_on])
