"""What the real servers answered and wrote, as it was recorded."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import lgtm_deploy

FOLDER = Path(lgtm_deploy.__file__).parent / "sandbox" / "standins" / "recordings"


@cache
def recording(name: str) -> dict[str, Any]:
    """The recording of that name, such as `tempo-2.9.0-plain`."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return loaded


def named(prefix: str) -> list[str]:
    """The names of the recordings that begin so, in order."""
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}*.json"))
