"""Questions over HTTP, and their answers."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an HTTP request got: the body's first 4,096 characters, and how long it took in seconds.

    `body` is None where the answer went to somebody else, who told its status only.
    """

    status: int
    body: str | None
    seconds: float
    location: str = ""


class TaskProbe(Protocol):
    """Asks a task directly, past the load balancer."""

    def ask(self, address: str, port: int, path: str) -> Answer:
        """GET; redirects are not followed. Raises TransientError when nothing answers."""

    def reaches(self, address: str, port: int) -> bool:
        """Whether a connection to that address can be opened from here at all."""


class StackProbe(Protocol):
    """Asks the stack as a user does: through the load balancer."""

    def ask(self, path: str, *, method: str = "GET", send: str = "", tenant: str = "", service: str = "") -> Answer:
        """Ask with `send` as the JSON body, where there is one; redirects are not followed.

        It is asked as the tenant and with the request headers that are configured for the service. Raises
        TransientError when nothing answers, TimedOutError when no complete answer comes in time.
        """
