"""The program as people start it: a process of its own, with an environment of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "lgtm-deploy"


@dataclass(frozen=True, kw_only=True)
class Said:
    """How it ended."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that it complained with."""
        (line,) = self.err.splitlines()
        return line


def lgtm_deploy(*words: str, folder: Path, environment: Mapping[str, str] | None = None) -> Said:
    """Runs it without a terminal; nothing of the caller's environment but the PATH reaches it."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "200"}
    ended = subprocess.run(
        [PROGRAM, *words],
        cwd=folder,
        env=clean | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(code=ended.returncode, out=ended.stdout, err=ended.stderr)
