"""Who is calling, and what time it is."""

from datetime import datetime
from typing import Protocol


class Caller(Protocol):
    """Who is calling."""

    def account(self) -> str:
        """The account id of the credentials in use. Raises AccessError."""
        ...


class Clock(Protocol):
    """Time, in one place."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...
