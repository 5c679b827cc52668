"""Running the hooks of a plan: commands, and URLs that are told."""

import os
from collections.abc import Mapping
from pathlib import Path

from lgtm_deploy.adapters import child
from lgtm_deploy.adapters.webhook import post
from lgtm_deploy.core.errors import DeadlineError, InterruptedRunError, MissingToolError
from lgtm_deploy.core.plan import Hook, Webhook
from lgtm_deploy.core.ports import Progress

# Who leaves at once is gone 5 s later: by then it is to be written down what a stopped hook came to.
_GRACE_SECONDS = 1.0
_SHOWN = 200
# As a shell has them: no such program, out of time, ended by an interrupt.
_NOT_THERE, _TOO_LATE, _STOPPED = 127, 124, 130


def run_hook(hook: Hook, told: Mapping[str, str], timeout: float, progress: Progress) -> tuple[int, str]:
    """Runs a command's words as they are, with no shell, or posts to a URL, and waits at most `timeout` seconds.

    A command has a session of its own: only this tool ends it, and with it all that it has started. Returns the exit
    code, and why it failed: its last line of output, or nothing when it did not. 127: no such program, 124: out of
    time, 130: stopped because progress raised InterruptedRunError.
    """
    try:
        return post(hook, told, timeout, progress) if isinstance(hook, Webhook) else _run(hook, told, timeout, progress)
    except (DeadlineError, InterruptedRunError, child.KilledError) as error:
        why = error.__cause__ if isinstance(error, child.KilledError) else error
        if isinstance(why, DeadlineError):
            return _TOO_LATE, f"not done after {timeout:g} s"
        if isinstance(why, InterruptedRunError):
            return _STOPPED, f"stopped: {why}"
        raise


def _run(words: tuple[str, ...], told: Mapping[str, str], timeout: float, progress: Progress) -> tuple[int, str]:
    command = child.Command(
        arguments=words,
        directory=Path(),
        # What is told may quote any output; a variable cannot hold this character.
        environment={**os.environ, **{name: value.replace("\0", "") for name, value in told.items()}},
        limit=timeout,
        grace=_GRACE_SECONDS,
    )
    try:
        done = child.run(command, progress)
    except MissingToolError as error:
        return _NOT_THERE, f"cannot be started: {getattr(error.__cause__, 'strerror', error)}"
    lines = done.errors if any(map(str.strip, done.errors)) else done.output
    said = [line.strip() for line in lines if line.strip()]
    return done.exit_code, said[-1][:_SHOWN] if done.exit_code and said else ""
