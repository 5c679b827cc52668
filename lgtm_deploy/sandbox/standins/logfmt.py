"""Log lines in logfmt on stderr, as the real servers write them."""

from __future__ import annotations

import sys
import time


def log(level: str, message: str, **fields: object) -> None:
    """Write one line: `ts=… level=… msg="…" key=value`."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e9):09d}Z"
    parts = [f"ts={stamp}", f"level={level}", f"msg={_quoted(message)}"]
    write(" ".join([*parts, *(f"{key}={_quoted(str(value))}" for key, value in fields.items())]))


def write(line: str) -> None:
    """Write a line as it is."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _quoted(value: str) -> str:
    if value and not any(mark in value for mark in ' ="\n'):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
