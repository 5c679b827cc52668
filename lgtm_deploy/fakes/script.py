"""What goes wrong, and when, and what was asked for."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lgtm_deploy.core.errors import DeployError, TransientError

When = Literal["before", "after"]


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a port: its name, such as `host.update`, and its arguments."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An error for a call: `before` it acts, or `after` it has acted, when only the answer is lost."""

    error: DeployError
    when: When = "before"


class Script:
    """Faults to come, by call."""

    def __init__(self) -> None:
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)

    def fail_next(self, call: str, error: DeployError, *, when: When = "before", times: int = 1) -> None:
        """The next so many calls of that name raise this error."""
        self._faults[call].extend([Fault(error=error, when=when)] * times)

    def throttle(self, call: str, times: int) -> None:
        """The next so many calls of that name are refused by a rate limit."""
        self.fail_next(call, TransientError("Rate exceeded (ThrottlingException)."), times=times)

    def take(self, call: str) -> Fault | None:
        """The fault that is due for this call, once."""
        waiting = self._faults[call]
        return waiting.popleft() if waiting else None
