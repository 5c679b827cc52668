"""The protocol every step follows, and from which preview, skipping, resuming and rollback all come."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar

from lgtm_deploy.core.gate import Gate, LeftAsIs, Restoration
from lgtm_deploy.core.ports import Ports, Progress
from lgtm_deploy.core.stack import Stack

InputsT = TypeVar("InputsT")
SeenT = TypeVar("SeenT")
OutputsT = TypeVar("OutputsT")


class Effect(Enum):
    """What a step may touch."""

    LOCAL = "local"
    """This machine only: it may run before the change is approved."""
    REMOTE = "remote"
    """The environment."""
    NOTHING = "nothing"
    """It only looks."""


class Part(Enum):
    """What a step is to the order in which a service lives through a change (core/order.py)."""

    PROBE = "probe"
    """It tries an image out."""
    PUSH = "push"
    """It puts an image where services are deployed from."""
    DEPLOY = "deploy"
    """It starts a deployment."""
    TASK_GATE = "task gate"
    """It waits until a deployment's new tasks answer."""
    HEALTH_CHECK = "health check"
    """It may change what a load balancer asks of its targets."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Something would change. `summary` is one line; `details` are lines for the preview."""

    summary: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Nothing(Generic[OutputsT]):
    """Nothing would change; these are the outputs all the same."""

    outputs: OutputsT


Proposal = Change | Nothing[OutputsT]


class Action(ABC, Generic[InputsT, SeenT, OutputsT]):
    """A step that changes something.

    What it `takes` (inputs), `sees` and `gives` (outputs) are frozen dataclasses of plain values. A step keeps no state
    of its own: what it sees is journaled before `apply` and given to `compensate`, possibly in another process.
    """

    effect: ClassVar[Effect] = Effect.REMOTE
    retreats: ClassVar[bool] = False
    """Whether it can be sent back first and be waited for later: see `retreated`."""
    temporary: ClassVar[bool] = False
    """Whether what it makes serves this run only: it goes when the run has ended for good, however it ended."""
    part: ClassVar[Part | None] = None
    takes: ClassVar[type[Any]]
    sees: ClassVar[type[Any]]
    gives: ClassVar[type[Any]]

    def __init__(self, stack: Stack, ports: Ports) -> None:
        self.stack = stack
        self.ports = ports

    @abstractmethod
    def observe(self, inputs: InputsT) -> SeenT:
        """Reads the state that this step is about to change."""

    def recall(self, seen: SeenT, first: SeenT) -> SeenT:  # noqa: ARG002
        """What is seen now, with what only the first look could see: asked when this step may have acted since then."""
        return seen

    @abstractmethod
    def propose(self, inputs: InputsT, seen: SeenT) -> Proposal[OutputsT]:
        """What would change. Pure: it decides from what was seen."""

    @abstractmethod
    def apply(self, inputs: InputsT, seen: SeenT, progress: Progress) -> OutputsT:
        """Makes the change. Safe to repeat."""

    def still_holds(self, inputs: InputsT, outputs: OutputsT) -> str:  # noqa: ARG002
        """Why what was prepared is out of date; empty when it is not. Asked of steps that touch this machine only,
        when somebody has thought about their outputs for a while and before anything is done with them."""
        return ""

    def irreversible(self, inputs: InputsT, outputs: OutputsT) -> str:  # noqa: ARG002
        """Return why what is prepared here could not be rolled back once it is applied; empty when it could. Asked of
        steps that touch this machine only, before anything is changed."""
        return ""

    def missing(self, outputs: OutputsT) -> str:  # noqa: ARG002
        """What of its outputs is not on this machine; empty when all of it is. Asked of steps that touch this machine
        only, when a run goes on: it may have begun on another one."""
        return ""

    def differs(self, before: OutputsT, now: OutputsT) -> str:
        """What it gives `now` that it did not give `before`; empty when it is the same, be it in another place. Asked
        of what was missing on this machine and was prepared again."""
        return "" if now == before else "it gives something else than before"

    def superseded(self, inputs: InputsT, seen: SeenT, outputs: OutputsT | None) -> str:  # noqa: ARG002
        """Who has changed since what this step had changed; empty when nobody has, or it is back already. Asked before
        a person has a finished run undone: what others have done is not undone with it. `outputs` are None when the
        step did not get that far."""
        return ""

    def quiesce(self, inputs: InputsT, seen: SeenT, progress: Progress) -> None:
        """Returns once nothing that an earlier process of the run began here can land any more. Asked before it is
        undone by another process: what is still on its way is not there yet, and is not back either."""

    def compensate(self, inputs: InputsT, seen: SeenT, progress: Progress) -> None:
        """Restores what was seen, from what was journaled alone. Safe to repeat; not asked for what is back already."""

    def restored(self, inputs: InputsT, seen: SeenT) -> Restoration:  # noqa: ARG002
        """Return whether what was seen is back. Asked before compensation, and after it until it is not Waiting.

        A step that changes something which must come back overrides this and `compensate` together. One that does not
        is left as is: its change stays, and the run says so.
        """
        return LeftAsIs()

    def retreat(self, inputs: InputsT, seen: SeenT, progress: Progress) -> None:
        """The first half of its undoing, where it is undone in two: by itself all of it."""
        self.compensate(inputs, seen, progress)

    def retreated(self, inputs: InputsT, seen: SeenT) -> Restoration:
        """Is what was seen back so far that what comes after the first half may be undone?"""
        return self.restored(inputs, seen)

    def thing(self, inputs: InputsT) -> str:  # noqa: ARG002
        """What it changes, where other steps of a run change the same: what the first of them has seen is the start
        state. Empty: nothing that others change."""
        return ""

    def follows_retreat(self, inputs: InputsT) -> bool:  # noqa: ARG002
        """Whether this is undone only after the steps before it have retreated, and not, as usual, before they are
        undone at all. Then it has two halves itself: the second one comes after those steps' second ones."""
        return False


class Look(ABC, Generic[InputsT, SeenT, OutputsT]):
    """A step that changes nothing and waits for the world: a gate. The engine polls it."""

    effect: ClassVar[Effect] = Effect.NOTHING
    part: ClassVar[Part | None] = None
    takes: ClassVar[type[Any]]
    gives: ClassVar[type[Any]]

    def __init__(self, stack: Stack, ports: Ports) -> None:
        self.stack = stack
        self.ports = ports

    @abstractmethod
    def look(self, inputs: InputsT) -> SeenT:
        """One look at the world."""

    @abstractmethod
    def judge(self, inputs: InputsT, seen: SeenT) -> Gate[OutputsT]:
        """What it means. Pure."""


Step = Action[Any, Any, Any] | Look[Any, Any, Any]
