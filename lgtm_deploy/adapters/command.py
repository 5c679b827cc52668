"""Running the commands of a plan's hooks."""

import os
import subprocess
from collections.abc import Mapping

_SHOWN = 200


def run_hook(words: tuple[str, ...], environment: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """Runs the words as they are, with no shell, and waits at most `timeout` seconds.

    Returns the exit code, and why it failed: its last line of output, or nothing when it did not. 127: no such program,
    124: out of time.
    """
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, f"not done after {timeout:g} s"
    except OSError as error:
        return 127, f"cannot be started: {error.strerror}"
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return done.returncode, lines[-1][:_SHOWN] if done.returncode and lines else ""
