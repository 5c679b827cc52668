"""The replay against the stand-ins: a recording matches, and one changed status of its copy does not."""

import json
from pathlib import Path

import pytest

from bench.replay import __main__ as command
from bench.replay.run import RECORDINGS

NAME = "loki-3.5.1-no-auth.json"


def exit_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["replay", "--recordings", str(folder), "--factor", "20"])
    return command.main()


def test_a_recording_matches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / NAME).write_bytes((RECORDINGS / NAME).read_bytes())

    code = exit_code(tmp_path, monkeypatch)

    assert (code, capsys.readouterr().err) == (0, "")


@pytest.mark.parametrize("name", ["GET /loki/api/v1/labels, demo", "GET /loki/api/v1/series, demo"])
def test_one_changed_status_in_a_copy_of_a_recording_ends_with_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    data = json.loads((RECORDINGS / NAME).read_text())
    changed = next(each for each in data["exchanges"] if each["name"] == name)
    changed["response"]["status"] = 418
    (tmp_path / NAME).write_text(json.dumps(data))

    code = exit_code(tmp_path, monkeypatch)

    out = capsys.readouterr().out
    assert code == 1
    assert f"{name:60}  status 418 recorded" in out
