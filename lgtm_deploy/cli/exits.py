"""The one boundary where errors become exit codes."""

from lgtm_deploy.core.errors import (
    DeadlineError,
    DeployError,
    InDoubtError,
    InterruptedRunError,
    JournalBusyError,
    LockHeldError,
)
from lgtm_deploy.core.event import EXIT_CODES
from lgtm_deploy.core.run import Run

FAILED = 1


def exit_code_of(run: Run) -> int:
    """The exit code that its last event has."""
    return FAILED if run.exit_code is None else run.exit_code


def exit_code(error: DeployError) -> int:
    """The documented exit code of an error that ended a verb outside of a run, or a run that could not even write its
    end down. Never the one of a run that failed and is back: nothing was changed, unless the error says so."""
    match error:
        case LockHeldError() | JournalBusyError():
            return EXIT_CODES["locked"]
        case InterruptedRunError():
            return EXIT_CODES["interrupted"]
        case DeadlineError() | InDoubtError():
            return EXIT_CODES["timed-out"]
    return EXIT_CODES["refused"]
