"""The files of saved Terraform plans: private, unchanged, and made from which state."""

import hashlib
import json
import zipfile
from pathlib import Path

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import PlannedChanges

# A plan file is a zip archive, and this is the state in it (Terraform: planfile, since 0.12).
_STATE = "tfstate"


def is_planned_on(plan: Path, state: str) -> bool:
    """Whether the saved plan was made from this state (`terraform state pull`; empty: there is none yet).

    Terraform compares lineage and serial, and for a plan made before there was any state the serial alone.
    Raises PermanentError when the file is not a plan that can be read.
    """
    try:
        with zipfile.ZipFile(plan) as archive:
            lineage, serial = _identity(archive.read(_STATE).decode())
        found_lineage, found_serial = _identity(state)
    except (zipfile.BadZipFile, KeyError, ValueError, AttributeError) as error:
        raise PermanentError(
            f"It cannot be told whether the saved plan {plan} is still current.", resolution="Plan again."
        ) from error
    return serial == found_serial and (lineage == found_lineage or (lineage, serial) == ("", 0))


def _identity(state: str) -> tuple[str, int]:
    known = json.loads(state) if state.strip() else {}
    return str(known.get("lineage", "")), int(known.get("serial", 0))


def check_file(plan: PlannedChanges) -> None:
    """Raises PermanentError when the saved plan is gone, or is not the one that was shown."""
    if not plan.file.is_file():
        raise PermanentError(f"The saved plan {plan.file} is gone.", resolution="Plan again.")
    if sha256_of(plan.file) != plan.sha256:
        raise PermanentError(
            f"The saved plan {plan.file} is not the one that was shown.", resolution="Plan again, and look at it."
        )


def value_of(text: str) -> object:
    """A variable's value as a file of variables has it: a JSON list or object, or else the text itself."""
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def sha256_of(file: Path) -> str:
    """The SHA-256 of the file, in hex digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
