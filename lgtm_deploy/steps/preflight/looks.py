"""A look that notes what is missing in place of giving up: everything is to be said at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from lgtm_deploy.core.errors import PermanentError

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, kw_only=True)
class Looked(Generic[ValueT]):
    """What was seen, or a sentence about what is missing."""

    value: ValueT | None = None
    missing: tuple[str, ...] = ()


def looked(look: Callable[[], ValueT]) -> Looked[ValueT]:
    """What the look found. Raises TransientError."""
    try:
        return Looked(value=look())
    except PermanentError as error:
        return Looked(missing=(str(error),))
