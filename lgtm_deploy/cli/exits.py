"""The one boundary where errors become exit codes."""

from lgtm_deploy.core.errors import (
    AccessError,
    DeadlineError,
    DeployError,
    InterruptedRunError,
    LockHeldError,
    MissingToolError,
    NotFoundError,
    RefusedError,
)
from lgtm_deploy.core.event import EXIT_CODES
from lgtm_deploy.core.run import Run

FAILED = 1


def exit_code_of(run: Run) -> int:
    """The exit code that its last event has."""
    return FAILED if run.exit_code is None else run.exit_code


def exit_code(error: DeployError) -> int:
    """The documented exit code of an error that ended a verb outside of a run."""
    match error:
        case LockHeldError():
            return EXIT_CODES["locked"]
        case InterruptedRunError():
            return EXIT_CODES["interrupted"]
        case DeadlineError():
            return EXIT_CODES["timed-out"]
        case RefusedError() | MissingToolError() | AccessError() | NotFoundError():
            return EXIT_CODES["refused"]
    return FAILED
