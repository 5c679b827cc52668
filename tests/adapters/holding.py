"""Somebody else who holds a local state, as Terraform does."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = {
    "ID": "7d1c",
    "Operation": "OperationTypeApply",
    "Who": "ci@runner-4",
    "Version": "1",
    "Info": "",
    "Created": "2026-01-16T00:15:04Z",
}
# Another process: within one process such locks know each other, and closing any handle gives them back.
HOLDER = """
import fcntl, sys
with open(sys.argv[1], "a+b") as held:
    fcntl.lockf(held, fcntl.LOCK_EX)
    if "truncated" in sys.argv:
        held.truncate(0)
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(state: Path, *, truncated: bool = False) -> Iterator[None]:
    """The state file is locked, and maybe just being written, for as long as this lasts."""
    state.with_name(f".{state.name}.lock.info").write_text(json.dumps({**LOCK, "Path": str(state)}))
    command = [sys.executable, "-c", HOLDER, str(state), *(["truncated"] if truncated else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            holder.stdin.close()
