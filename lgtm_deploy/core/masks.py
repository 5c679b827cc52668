"""What stands for the values of secret variables wherever a run is told: the expressions that they came from."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from lgtm_deploy.core.persistent import PersistentMap
from lgtm_deploy.core.secrecy import replacing, spellings, texts

ValueT = TypeVar("ValueT")

# A shorter value would be found in half of what is told.
FEWEST_CHARACTERS = 8

# So that guessing a weak value from its fingerprint takes time.
_ROUNDS = 200_000
_KIND = "pbkdf2-sha256"

# Fields by which what was written down is found again. No value of a variable gets into them.
_NAMES = frozenset(
    {
        *("id", "step", "steps", "needs", "plan", "plan_digest", "stack", "environment", "status", "verdict", "kind"),
        *("from_run", "to_run", "plan_file", "stack_inputs"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Masks:
    """`values` are those of a run's secret variables, by name; `salt` is for their fingerprints. `headers` are the
    secret values of request headers, by the environment variable that holds them."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    salt: str = ""

    def masked(self, value: ValueT) -> ValueT:
        """The same with a mask for every secret value in it, however it is spelled."""
        return _changed(value, self._mask) if self._spelled else value

    def unmasked(self, value: ValueT) -> ValueT:
        """The same with the values back where their masks were."""
        return _changed(value, self._unmask) if self._spelled else value

    def remembered(self, variables: Mapping[str, str]) -> dict[str, str]:
        """What a journal may have of variables: of a secret one a fingerprint."""
        return {
            name: fingerprint(value, self.salt) if name in self.values else value for name, value in variables.items()
        }

    @contextmanager
    def over_errors(self) -> Iterator[None]:
        """What is raised within tells no secret value, and neither does what it was raised from."""
        try:
            yield
        except BaseException as error:
            if self._spelled:
                # Whatever an error is made of, it is the one that is raised.
                with suppress(Exception):
                    self._mask_error(error, set())
            raise

    def _mask_error(self, error: BaseException | None, known: set[int]) -> None:
        if error is None or id(error) in known:
            return
        known.add(id(error))
        inner = [each for each in error.args if isinstance(each, BaseException)]
        error.args = self.masked(error.args)
        # An OSError tells its file names and its words beside its arguments.
        for name in (*vars(error), "filename", "filename2", "strerror"):
            text = getattr(error, name, None)
            if isinstance(text, str):
                setattr(error, name, self.masked(text))
        for each in (error.__cause__, error.__context__, *inner, *getattr(error, "exceptions", ())):
            self._mask_error(each, known)

    @cached_property
    def _spelled(self) -> Mapping[str, str]:
        """Mask -> what it stands for. Each spelling has its own, so that each comes back as it was."""
        found: dict[str, str] = {}
        for name, value in self.values.items():
            for number, text in enumerate(_all_of(value)):
                found[f"${{{{ vars.{name}{f', part {number}' if number else ''} }}}}"] = text
        for name, value in self.headers.items():
            for number, text in enumerate(_all_of(value)):
                found[f"${{{{ headers.{name}{f', part {number}' if number else ''} }}}}"] = text
        return found

    @cached_property
    def _mask(self) -> Callable[[str], str]:
        return replacing({text: mask for mask, text in reversed(list(self._spelled.items()))})

    @cached_property
    def _unmask(self) -> Callable[[str], str]:
        return replacing(self._spelled)


def fingerprint(value: str, salt: str) -> str:
    """By this a later process can tell whether it is given the same value."""
    digest = hashlib.pbkdf2_hmac("sha256", value.encode(errors="surrogateescape"), salt.encode(), _ROUNDS)
    return f"{_KIND}:{salt}:{digest.hex()}"


def is_of(kept: str, value: str) -> bool:
    """Whether it is the fingerprint of this value."""
    kind, _, rest = kept.partition(":")
    return kind == _KIND and hmac.compare_digest(kept, fingerprint(value, rest.partition(":")[0]))


def _all_of(value: str) -> Iterator[str]:
    """The value, its lines and, where it is JSON, the texts in it: programs tell them one by one."""
    try:
        inner = list(texts(json.loads(value), hidden=True)) if value.lstrip().startswith(("{", "[")) else []
    except (ValueError, RecursionError):
        inner = []
    lines = [line.strip() for line in value.splitlines()]
    # Errors that are told in one line have their blanks drawn together.
    lines += [" ".join(line.split()) for line in (value, *lines)]
    parts = (value, *(part for part in (*lines, *inner) if len(part) >= FEWEST_CHARACTERS))
    # Python's own errors quote it.
    return iter(dict.fromkeys(text for part in parts for text in (*spellings(part), repr(part)[1:-1])))


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    match value:
        case str():
            return change(value)
        case PersistentMap():
            # A run's steps by their names.
            return PersistentMap({name: _changed(each, change) for name, each in value.items()})
        case Mapping():
            return {_changed(key, change): _changed(each, change) for key, each in value.items()}
        case tuple() | list():
            changed = (_changed(each, change) for each in value)
            return type(value)(*changed) if hasattr(value, "_fields") else type(value)(changed)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **_changed_fields(value, change))
    return value


def _changed_fields(value: Any, change: Callable[[str], str]) -> dict[str, Any]:
    found = {each.name: getattr(value, each.name) for each in fields(value)}
    return {
        name: _changed(each, change)
        for name, each in found.items()
        if name not in _NAMES or isinstance(each, PersistentMap)
    }
