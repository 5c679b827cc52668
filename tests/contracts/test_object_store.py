"""What every store of objects promises."""

import threading
from datetime import timedelta

from lgtm_deploy.core.ports import ObjectStore

WRITERS = 20


def test_what_is_not_there_is_nothing(objects: ObjectStore) -> None:
    assert objects.get("nothing") is None
    assert list(objects.names("nothing")) == []
    assert objects.replace("nothing", b"text", '"tag"') is None
    assert objects.get("nothing") is None


def test_an_object_is_created_once(objects: ObjectStore) -> None:
    tag = objects.create("a/b", b"first")

    assert tag is not None
    assert objects.create("a/b", b"second") is None
    found = objects.get("a/b")
    assert found is not None
    assert (found.body, found.tag) == (b"first", tag)


def test_an_object_is_replaced_only_as_it_was_seen(objects: ObjectStore) -> None:
    first = objects.create("lock", b"first")
    assert first is not None
    second = objects.replace("lock", b"second", first)

    assert second not in (None, first)
    assert objects.replace("lock", b"third", first) is None
    found = objects.get("lock")
    assert found is not None
    assert (found.body, found.tag) == (b"second", second)


def test_both_times_are_the_stores_own(objects: ObjectStore) -> None:
    objects.create("new", b"text")
    found = objects.get("new")

    assert found is not None
    assert found.modified.utcoffset() == found.seen.utcoffset() == timedelta(0)
    assert timedelta(0) <= found.seen - found.modified <= timedelta(seconds=60)
    assert found.modified.microsecond == found.seen.microsecond == 0


def test_names_come_in_order_after_one_and_no_more_than_asked_for(objects: ObjectStore) -> None:
    for number in (3, 1, 12, 2):
        objects.create(f"runs/7f3a/{number:04}", b"text")
    objects.create("runs/7f3b/0001", b"text")

    every = [f"runs/7f3a/{number:04}" for number in (1, 2, 3, 12)]
    assert list(objects.names("runs/7f3a/")) == every
    assert list(objects.names("runs/7f3a/", after=every[1])) == every[2:]
    assert list(objects.names("runs/7f3a/", limit=3)) == every[:3]
    assert list(objects.names("runs/7f3a/", limit=0)) == []
    assert len(objects.names("runs/")) == 5


def test_of_writers_at_once_one_creates_and_one_replaces(objects: ObjectStore) -> None:
    for round_ in range(5):
        created = at_once(lambda number, name=f"race{round_}": objects.create(name, f"new {number}".encode()))
        assert len(created) == 1
        (tag,) = created.values()
        assert tag is not None
        replaced = at_once(
            lambda number, name=f"race{round_}", tag=tag: objects.replace(name, f"over {number}".encode(), tag)
        )
        assert len(replaced) == 1
        found = objects.get(f"race{round_}")
        assert found is not None
        assert (found.body.decode(), found.tag) == (f"over {next(iter(replaced))}", *replaced.values())


def at_once(write) -> dict[int, str]:
    """The tags that were given out, by writer."""
    tags: dict[int, str] = {}
    gate = threading.Barrier(WRITERS)

    def run(number: int) -> None:
        gate.wait()
        tag = write(number)
        if tag is not None:
            tags[number] = tag

    threads = [threading.Thread(target=run, args=[number]) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tags
