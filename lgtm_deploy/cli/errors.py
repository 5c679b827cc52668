"""An error that ended a verb, for a person and for a program."""

import json
import sys

from lgtm_deploy.core.errors import DeployError


def tell_error(error: DeployError, code: int, *, as_json: bool) -> int:
    """Write one line on standard error, with `as_json` also an object on standard output; return the exit code.

    Where a run's last event has said it already, there is no object.
    """
    import logging

    logging.getLogger(__name__).debug("exit %d", code, exc_info=error)
    sys.stderr.write(f"Error: {error}\n")
    if as_json and not getattr(error, "has_event", False):
        tell_json(error.message, code, error.resolution)
    return code


def tell_json(message: str, code: int, resolution: str = "") -> None:
    """Write the error as one JSON object on standard output, as the last line there."""
    error = {"event": "Error", "message": message, "resolution": resolution, "exit_code": code}
    sys.stdout.write(f"{json.dumps(error)}\n")
    sys.stdout.flush()
