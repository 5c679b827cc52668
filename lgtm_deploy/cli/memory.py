"""Where runs are remembered and environments locked: on this machine, or in S3 for everybody."""

from pathlib import Path

from lgtm_deploy.cli import loading
from lgtm_deploy.cli.settings import Settings
from lgtm_deploy.cli.wiring import state_folder
from lgtm_deploy.core.ports import Clock, Journal, Lock
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.storage.local import LocalJournal, LocalLock


def journal(stack: Stack) -> Journal:
    """The journal of a settled stack's environment."""
    return LocalJournal(_file(stack.directory))


def lock(stack: Stack, clock: Clock) -> Lock:
    """The lock of a settled stack's environment."""
    return LocalLock(_file(stack.directory), clock)


def remembered(settings: Settings) -> Journal:
    """The journal that verbs read which name a run, and maybe no environment. Raises UsageError."""
    return LocalJournal(_file(loading.stack_directory(settings)))


def _file(directory: Path) -> Path:
    return state_folder(directory) / "state.db"
