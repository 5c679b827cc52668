"""MiniStack's installer is waited for while it writes, and its complaint is told."""

from pathlib import Path

import pytest

from lgtm_deploy.core.errors import MissingToolError
from lgtm_deploy.sandbox import installation


def test_an_installer_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match="could not be installed: no such index"):
        installation._run(["sh", "-c", "echo no such index >&2; exit 1"], tmp_path, lambda _: None)


def test_an_installer_that_writes_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "INSTALL_SECONDS", 0.0)
    monkeypatch.setattr(installation, "_POLL_SECONDS", 0.01)

    with pytest.raises(MissingToolError, match="it wrote nothing for 0 s"):
        installation._run(["sleep", "600"], tmp_path, lambda _: None)
