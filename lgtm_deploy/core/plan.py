"""What a plan file says: steps, their order and their policies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# How the health check is moved from one path to another (core/handover.py).
SequenceName = Literal["direct", "flip-first", "expand-contract", "grace-hold"]

# Undo what was done; leave it as it is; or leave it and still do what needs no failed step.
OnFailure = Literal["rollback", "halt", "continue"]


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a step is tried when the error may pass; delays are in seconds and grow exponentially, with jitter."""

    attempts: int = 8
    first_delay: float = 0.5
    longest_delay: float = 15.0


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """A URL that is told by POST. It is in the plan or, where it is itself a secret, in an environment variable."""

    url: str = ""
    url_env: str = ""


# A command is a list of words, never a shell line.
Hook = tuple[str, ...] | Webhook


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What is run or told around a run, and in a rollback once everything is undone. A failure is reported, not fatal.

    `timeout` is for each of them, in seconds.
    """

    before: tuple[Hook, ...] = ()
    rollback: tuple[Hook, ...] = ()
    succeeded: tuple[Hook, ...] = ()
    failed: tuple[Hook, ...] = ()
    timeout: float = 60.0


@dataclass(frozen=True, kw_only=True)
class StepSpec:
    """One step of a plan file. `for_each` is `services` or `coupled`, or keys written out. `timeout` is in seconds."""

    id: str = ""
    uses: str
    title: str = ""
    needs: tuple[str, ...] = ()
    for_each: Literal["services", "coupled"] | tuple[str, ...] | None = None
    with_: Mapping[str, Any] = field(default_factory=dict)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: float = 900.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A plan. `digest` is the SHA-256 of its file, so that a run can tell whether it is still the same. `file` is where
    that is, from the stack file's folder; empty for one that comes with the tool.

    `services` are those that it changes; `coupled` are those that must change with them, because they name a path that
    moves. `allow_sequence` are the sequences in which it may move a health check. `secrets` are the variables whose
    values are told nowhere, each with the environment variable that holds its value.
    """

    name: str
    description: str = ""
    services: tuple[str, ...] = ()
    coupled: tuple[str, ...] = ()
    allow_sequence: tuple[SequenceName, ...] = ("direct", "grace-hold")
    steps: Mapping[str, StepSpec]
    secrets: Mapping[str, str] = field(default_factory=dict)
    hooks: Hooks = field(default_factory=Hooks)
    timeout: float = 3600.0
    on_failure: OnFailure = "rollback"
    digest: str = ""
    file: str = ""
