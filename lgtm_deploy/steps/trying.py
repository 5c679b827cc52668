"""Trying one image out: started, asked until it is ready, then asked everything else."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from lgtm_deploy.core.contract import Reply, Silence, Trial
from lgtm_deploy.core.errors import TimedOutError, TransientError
from lgtm_deploy.core.ports import Answer, Clock, ContainerSpec, Ended, ImageProbe, Progress, RunningImage
from lgtm_deploy.core.read_changes import spelled
from lgtm_deploy.core.stack import Health, Probe
from lgtm_deploy.core.task_group import TaskGroup
from lgtm_deploy.core.trial import Checks, Questions, checked, how_ended, not_ready, replied, unmet

_EVERY = 0.5
_SLICE = 0.1
# A program that is ready may still be joining its parts: what fails is asked again for so many seconds.
PATIENCE = 5.0


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is tried out: an image, what it is called in progress lines, and what it is asked.

    `timeout` is how many seconds the load balancer's check waits for an answer, `within` how many the image has to
    become ready, `patience` how many to do what the stack file expects of it after that.
    """

    name: str
    image: str
    spec: ContainerSpec
    port: int
    questions: Questions
    health: Health
    matcher: str
    timeout: float
    tenant: str
    within: float
    patience: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of it. `wrong` is why the image could not be asked everything: it ended, or was not ready."""

    trial: Trial
    wrong: str = ""
    ended: Ended | None = None
    unmet: tuple[str, ...] = ()
    variables: frozenset[str] = field(default_factory=frozenset)

    @property
    def fails(self) -> bool:
        """Whether it ended, or did not get ready."""
        return bool(self.failure)

    @property
    def failure(self) -> str:
        """How it ended, or why it is not ready; empty when it is."""
        return how_ended(self.ended) if self.ended is not None else self.wrong


def try_out(subject: Subject, probe: ImageProbe, clock: Clock, progress: Progress) -> Tried:
    """Starts the image and asks it everything. Raises PermanentError when it cannot be started."""
    tell = _changes(subject.name, progress)
    tell("starts")
    with probe.start(subject.image, subject.spec, subject.port, progress) as running:
        tried = _Trying(subject, running, probe, clock, tell).tried()
        return replace(tried, variables=running.variables)


class _Trying:
    def __init__(
        self, subject: Subject, running: RunningImage, probe: ImageProbe, clock: Clock, tell: Progress
    ) -> None:
        self._subject = subject
        self._running = running
        self._probe = probe
        self._clock = clock
        self._tell = tell
        self._began = clock.monotonic()

    def tried(self) -> Tried:
        checks, ended = self._ready()
        if ended is not None:
            return Tried(trial=self._trial(Checks()), ended=ended)
        if checks.ready < 0:
            # One that has ended since then did not answer because of that.
            wrong = not_ready(checks, self._running.log())
            return Tried(trial=self._trial(checks), wrong=wrong, ended=self._running.ended())
        others, expected, reads = self._everything()
        trial = self._trial(checks)
        ended = self._running.ended()
        replies = (*trial.replies, *others, *(reply for reply, _ in expected))
        return Tried(
            trial=replace(trial, replies=replies, reads=reads),
            unmet=tuple(wrong for _, wrong in expected if wrong),
            ended=ended,
        )

    def _everything(self) -> tuple[list[Reply], list[tuple[Reply, str]], tuple[Reply, ...]]:
        """The answers on all other paths, on those that must answer as expected, with what is wrong with them, and on
        those that read data.

        All are asked side by side: a server that hangs (Pyroscope 1.13.5 under a prefix, on each query) takes no longer
        than one request may.
        """
        questions = self._subject.questions
        with TaskGroup[tuple[Reply, str]](self._tell) as asked:
            others = [asked.start(partial(self._other, each)) for each in questions.paths]
            expected = [asked.start(partial(self._expect, each)) for each in questions.expects]
            reads = [asked.start(partial(self._read, each)) for each in questions.reads]
            return (
                [asked.result(each)[0] for each in others],
                [asked.result(each) for each in expected],
                tuple(asked.result(each)[0] for each in reads),
            )

    def _ready(self) -> tuple[Checks, Ended | None]:
        """Asks all health paths from the start: the first question starts the program's clock, and only on a path that
        it has (Tempo's and Pyroscope's readiness)."""
        subject, checks = self._subject, Checks()
        while True:
            replies = tuple(
                checked(path, self._ask(Probe(path=path), tenant=""), subject.health, subject.matcher, subject.timeout)
                for path in subject.questions.checks
            )
            checks = checks.then(replies, self._clock.monotonic() - self._began)
            self._tell(", ".join(f"{reply.path} {reply.status or 'does not answer'}" for reply in replies))
            if not any(reply.status for reply in replies) and (ended := self._running.ended()) is not None:
                return checks, ended
            if checks.verdict(subject.within) != "wait":
                return checks, None
            self._pause(_EVERY)

    def _other(self, probe: Probe, _: Progress) -> tuple[Reply, str]:
        return replied(probe, self._ask(probe)), ""

    def _expect(self, probe: Probe, _: Progress) -> tuple[Reply, str]:
        return self._asked_until(probe, self._subject.patience, lambda answer: unmet(probe, answer))

    def _read(self, probe: Probe, _: Progress) -> tuple[Reply, str]:
        def broken(answer: Answer | Silence) -> str:
            reply = replied(probe, answer)
            return f"{probe.verb} {probe.path} {spelled(reply)}" if reply.is_broken else ""

        reply, wrong = self._asked_until(probe, PATIENCE, broken)
        # Data that was read is nothing for the journal.
        return replace(reply, body="") if reply.succeeds else reply, wrong

    def _asked_until(
        self, probe: Probe, patience: float, wrong_with: Callable[[Answer | Silence], str]
    ) -> tuple[Reply, str]:
        """The first answer with which nothing is wrong, else the last one and what is wrong with it. A request that
        hangs is not made again: it has had its time."""
        began, told = self._clock.monotonic(), False
        while True:
            answer = self._ask(probe)
            wrong = wrong_with(answer)
            hangs = isinstance(answer, Silence) and answer.seconds > 0
            if not wrong or hangs or self._clock.monotonic() - began >= patience:
                return replied(probe, answer), wrong
            # Once for each path: they are asked side by side, and would else talk each other down.
            self._tell("" if told else wrong)
            told = True
            self._pause(_EVERY)

    def _ask(self, probe: Probe, tenant: str | None = None) -> Answer | Silence:
        self._tell("")
        asker = self._subject.tenant if tenant is None else tenant
        try:
            return self._running.ask(probe.path, method=probe.verb, send=probe.send, tenant=asker)
        except TimedOutError as error:
            return Silence(seconds=error.seconds)
        except TransientError:
            return Silence()

    def _trial(self, checks: Checks) -> Trial:
        return Trial(image=self._subject.image, ready_seconds=round(checks.ready, 3), replies=checks.replies)

    def _pause(self, seconds: float) -> None:
        while seconds > 0:
            self._tell("")
            self._probe.pause(min(seconds, _SLICE))
            seconds -= _SLICE


def _changes(name: str, progress: Progress) -> Callable[[str], None]:
    """Tells what is new only: two images that are tried at once would else talk each other down."""
    last = ""

    def tell(text: str) -> None:
        nonlocal last
        progress(f"{name}: {text}" if text and text != last else "")
        last = text or last

    return tell
