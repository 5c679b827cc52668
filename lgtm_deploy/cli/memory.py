"""Where runs are remembered and environments locked: on this machine, or in S3 for everybody."""

from collections.abc import Sequence
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lgtm_deploy.cli import loading, wiring
from lgtm_deploy.cli.settings import Settings
from lgtm_deploy.core.errors import NotFoundError
from lgtm_deploy.core.event import Event, Record
from lgtm_deploy.core.ports import Clock, Journal, Lock, RunSummary
from lgtm_deploy.core.stack import Stack

if TYPE_CHECKING:
    from lgtm_deploy.core.ports import ObjectStore

LOCAL = "local"


def journal(stack: Stack) -> Journal:
    """The journal of a settled stack's environment."""
    if stack.environment.state == LOCAL:
        return _local(stack.directory)
    from lgtm_deploy.storage.shared import SharedJournal

    return SharedJournal(_objects(stack))


def lock(stack: Stack, clock: Clock) -> Lock:
    """The lock of a settled stack's environment."""
    if stack.environment.state == LOCAL:
        from lgtm_deploy.storage.local import LocalLock

        return LocalLock(_file(stack.directory), clock)
    from lgtm_deploy.storage.shared import SharedLock

    return SharedLock(_objects(stack), clock)


def remembered(settings: Settings) -> Journal:
    """The journal for verbs that name a run and maybe no environment: then all that the stack file knows of, as one.

    Raises UsageError; NotFoundError when a sandbox is not up and there is nothing else to read.
    """
    from lgtm_deploy.config import stack_file

    file = loading.stack_file(settings)
    states = stack_file.states(file)
    if settings.environment:
        return journal(wiring.settled(loading.load_stack(settings)))
    # Environments that share a state share its endpoint, too: but for the sandbox, which has one of its own.
    shared = [name for name, state in states.items() if state != LOCAL]
    journals: list[Journal] = []
    down: NotFoundError | None = None
    for name in shared:
        try:
            journals.append(_beside_others(stack_file.load(file, name)))
        except NotFoundError as error:
            down = error
    if LOCAL in states.values():
        journals.append(_local(file.resolve().parent))
    if down and not journals:
        raise down
    return journals[0] if len(journals) == 1 else _Together(journals)


def _beside_others(stack: Stack) -> Journal:
    """The journal of one environment of several: this process has its sandbox's settings only while it is made.

    Raises NotFoundError when the sandbox is not up.
    """
    from lgtm_deploy.sandbox.clients import environment_of

    with environment_of({}):
        return journal(wiring.settled(stack))


class _Together:
    """Several journals read as one."""

    def __init__(self, journals: Sequence[Journal]) -> None:
        self._journals = journals

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        raise NotImplementedError("which of them is meant, only an environment tells")

    def records(self, run: str) -> Sequence[Record]:
        """Those of the first journal that knows the run."""
        return next((found for each in self._journals if (found := each.records(run))), ())

    def runs(self, limit: int, environment: str = "") -> Sequence[RunSummary]:
        """The newest of all; what two of them list is listed once."""
        lists = [journal.runs(limit, environment) for journal in self._journals]
        # Each keeps its own order, which is not always that of the times in it.
        newest_first = merge(*lists, key=lambda each: each.started, reverse=True)
        return list(islice({each.run: each for each in newest_first}.values(), limit))


class NoJournal:
    """Gives the events of a preview run their numbers, and keeps none of them."""

    def __init__(self) -> None:
        self._count = 0

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        """Return the records of these events."""
        first, self._count = self._count + 1, self._count + len(events)
        return [Record(seq=seq, run=run, fence=fence, event=event) for seq, event in enumerate(events, start=first)]

    def records(self, run: str) -> Sequence[Record]:  # noqa: ARG002
        """Return nothing."""
        return ()

    def runs(self, limit: int, environment: str = "") -> Sequence[RunSummary]:  # noqa: ARG002
        """Return nothing."""
        return ()


def _local(directory: Path) -> Journal:
    from lgtm_deploy.storage.local import LocalJournal

    return LocalJournal(_file(directory))


def _file(directory: Path) -> Path:
    return wiring.state_folder(directory) / "state.db"


def _objects(stack: Stack) -> "ObjectStore":
    from lgtm_deploy.adapters.aws import Aws
    from lgtm_deploy.adapters.s3 import S3Objects

    bucket, _, prefix = stack.environment.state.removeprefix("s3://").partition("/")
    folder = "/".join(filter(None, [prefix.strip("/"), stack.name]))
    aws = Aws(region=stack.environment.region, endpoint_url=stack.environment.endpoint)
    # Now, for a client keeps the endpoint and the credentials that this process had when it was made.
    aws.reader("s3")
    return S3Objects(aws, bucket=bucket, prefix=f"{folder}/")
