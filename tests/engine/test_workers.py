"""Threads that do what they are handed."""

import threading

import pytest

from lgtm_deploy.engine.workers import Workers


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("worker_")}


def test_all_that_is_handed_out_is_done_before_the_end() -> None:
    done: list[int] = []
    with Workers(3) as workers:
        for each in range(50):
            workers.do(lambda each=each: done.append(each), busy=min(each, 2))

    assert sorted(done) == list(range(50))
    assert not names()


def test_a_thread_is_started_only_for_what_no_other_is_free_for() -> None:
    by: list[str] = []
    with Workers(3) as workers:
        for _ in range(5):
            done = threading.Event()
            workers.do(lambda done=done: (by.append(threading.current_thread().name), done.set()), busy=0)
            assert done.wait(60)

    assert set(by) == {"worker_0"}


def test_there_are_never_more_threads_than_allowed() -> None:
    together = threading.Barrier(3)
    with Workers(2) as workers:
        for busy in range(4):
            workers.do(lambda: together.wait(60), busy=busy)
        together.wait(60)
        assert names() == {"worker_0", "worker_1"}
        together.wait(60)


def test_what_is_under_way_ends_when_the_block_is_left_by_an_error() -> None:
    go, done = threading.Event(), threading.Event()

    def job() -> None:
        go.wait(60)
        done.set()

    with pytest.raises(RuntimeError), Workers(1) as workers:
        workers.do(job, busy=0)
        threading.Timer(0.01, go.set).start()
        raise RuntimeError

    assert done.is_set()
    assert not names()
