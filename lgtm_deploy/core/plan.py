"""What a plan file says: a recipe, its options and the policies of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lgtm_deploy.core.recipe import Recipe

# How a health check is moved from one path to another (core/handover).
StrategyName = Literal["direct", "check-first", "matcher-widening", "grace-hold"]

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
class Plan:
    """A plan: a recipe with its options, and the policies of a run. `digest` is the SHA-256 of its file. `file` is its
    path from the stack file's folder; empty for one that comes with the tool.

    `values` are the variables that the file sets. `secrets` are the variables whose values are shown nowhere, each with
    the environment variable that holds its value. `variables` are the names of all that the recipe takes. `timeouts`
    (in seconds) and `retries` replace those of the recipe, by the name of the step.
    """

    name: str
    description: str = ""
    recipe: "Recipe | None" = None
    values: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()
    hooks: Hooks = field(default_factory=Hooks)
    timeout: float = 3600.0
    timeouts: Mapping[str, float] = field(default_factory=dict)
    retries: Mapping[str, RetryPolicy] = field(default_factory=dict)
    on_failure: OnFailure = "rollback"
    digest: str = ""
    file: str = ""

    @property
    def changed(self) -> tuple[str, ...]:
        """The services whose values in the stack file a run depends on."""
        return self.recipe.changed if self.recipe else ()
