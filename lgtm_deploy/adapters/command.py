"""Running the hooks of a plan: commands, and URLs that are told."""

import os
import subprocess
from collections.abc import Mapping

from lgtm_deploy.adapters.webhook import post
from lgtm_deploy.core.plan import Hook, Webhook

_SHOWN = 200


def run_hook(hook: Hook, told: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """Runs a command's words as they are, with no shell, or posts to a URL, and waits at most `timeout` seconds.

    Returns the exit code, and why it failed: its last line of output, or nothing when it did not. 127: no such program,
    124: out of time.
    """
    if isinstance(hook, Webhook):
        return post(hook, told, timeout)
    try:
        done = subprocess.run(
            hook,
            env={**os.environ, **told},
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
