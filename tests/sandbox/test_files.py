"""One process at a time."""

import threading
from pathlib import Path

import pytest

from lgtm_deploy.sandbox.files import locked


@pytest.mark.parametrize("name", ["a.lock", ""], ids=["a file", "a folder"])
@pytest.mark.timeout(120)
def test_what_is_locked_is_waited_for_and_the_waiting_is_told_once(tmp_path: Path, name: str) -> None:
    place, told, waiting = tmp_path / name, list[str](), threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        waiting.set()

    def second() -> None:
        with locked(place, tell, "waiting for the first"):
            told.append("had it")

    thread = threading.Thread(target=second)
    with locked(place, told.append):
        thread.start()
        assert waiting.wait(10)
        assert "had it" not in told
    thread.join(10)

    assert [text for text in told if text] == ["waiting for the first", "had it"]
