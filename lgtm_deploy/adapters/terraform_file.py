"""What a saved Terraform plan says of the state that it was made from."""

import json
import zipfile
from pathlib import Path

from lgtm_deploy.core.errors import PermanentError

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
