"""Who is calling, and what time it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Permission:
    """One call on one thing: AWS's action, such as `ecs:UpdateService`, and the thing's ARN."""

    action: str
    resource: str = "*"


class Caller(Protocol):
    """Who is calling."""

    def account(self) -> str:
        """The account id of the credentials in use. Raises AccessError."""

    def may(self, wanted: Sequence[Permission]) -> Mapping[Permission, bool] | None:
        """Which of these the caller has, as far as AWS can tell; None where the caller may not ask, or cannot.

        What depends on something that only the call itself would tell, such as a tag, counts as given.
        """


class Clock(Protocol):
    """Time, in one place."""

    def now(self) -> datetime:
        """The time of day, in UTC."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back and never stands."""
