"""What an object of the shared state says, when it can be read."""

import json
from typing import Any

from lgtm_deploy.core.errors import JournalError

SCHEMA = 1


def read(name: str, body: bytes) -> dict[str, Any]:
    """The JSON object that it holds. Raises JournalError when it is damaged, or of a newer schema than this one's."""
    try:
        written: dict[str, Any] = json.loads(body)
        schema = int(written.get("schema", SCHEMA))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(name) from error
    if schema > SCHEMA:
        raise JournalError(
            f"{name} of the shared state was written by a newer lgtm-deploy: its schema is {schema}, not {SCHEMA}.",
            resolution="Use the version of lgtm-deploy that wrote it, or a newer one.",
        )
    return written


def damaged(name: str) -> JournalError:
    """What is said of an object that nobody can read."""
    return JournalError(f"{name} of the shared state is damaged or cut off.", resolution="Restore it from a copy.")
