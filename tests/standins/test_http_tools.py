"""`curl` and `wget` of container health checks tell by their exit code what they got."""

from __future__ import annotations

from pathlib import Path

import pytest

from lgtm_deploy.sandbox.ports import free_port
from lgtm_deploy.sandbox.standins.http_tools import curl, wget
from tests.standins.conftest import Start

READY, ABSENT = "/-/ready", "/absent"


@pytest.fixture
def url(start: Start, port: int, other_port: int) -> str:
    start("alloy", "v1.9.2", STANDIN_PORTS=f"12345={port},4318={other_port}")
    return f"http://127.0.0.1:{port}"


def test_wget_is_content_with_any_answer_below_400(url: str) -> None:
    words = ["-q", "-O", "/dev/null"]
    assert wget([*words, url + READY]) == 0
    assert wget([*words, url + ABSENT]) == 1
    assert wget([*words, f"http://127.0.0.1:{free_port(())}/"]) == 1
    assert wget(["--no-verbose", "--tries=1", "-T", "2", "-O-", url + READY]) == 0
    assert wget(words) == 1


def test_wget_writes_no_file_twice(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert wget(["-q", url + READY]) == 0
    assert (tmp_path / "ready").read_text() == "Alloy is ready.\n"
    assert wget(["-q", url + READY]) == 1


def test_curl_fails_for_a_wrong_status_only_when_asked(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert curl([url + ABSENT]) == 0
    assert curl(["-fsS", url + ABSENT]) == 22
    assert curl(["-f", "-s", "-o", "/dev/null", "-m", "5", url + READY]) == 0
    capfd.readouterr()
    assert curl(["-s", "-o", "/dev/null", "-w", "%{http_code}", url.removeprefix("http://") + ABSENT]) == 0
    assert capfd.readouterr().out == "404"
    assert curl(["-s", url + READY]) == 0
    assert capfd.readouterr().out == "Alloy is ready.\n"


def test_curl_tells_a_refused_connection_and_an_unknown_option(capfd: pytest.CaptureFixture[str]) -> None:
    assert curl(["-f", f"http://127.0.0.1:{free_port(())}/"]) == 7
    assert "curl: (7) Failed to connect" in capfd.readouterr().err
    assert curl(["--frobnicate", "http://127.0.0.1/"]) == 2
