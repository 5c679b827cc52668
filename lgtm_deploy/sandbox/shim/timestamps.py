"""How are times written on the wire?"""

from __future__ import annotations

from datetime import datetime
from typing import Any


def epoch_seconds(value: Any) -> Any:
    """An ISO time as epoch seconds with milliseconds; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return round(datetime.fromisoformat(value).timestamp(), 3)
    except ValueError:
        return value
