"""Trying one image out: started, asked until it is ready, then asked everything else."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from lgtm_deploy.core.contract import Reply, Trial
from lgtm_deploy.core.errors import TransientError
from lgtm_deploy.core.ports import Answer, Clock, ContainerSpec, Ended, ImageProbe, Progress, RunningImage
from lgtm_deploy.core.stack import Health, Probe
from lgtm_deploy.core.trial import Checks, Questions, how_ended, not_ready, replied, unmet

_EVERY = 0.5
_SLICE = 0.1
# A program that is ready may still be joining its parts: what is expected of it is asked again for so many seconds.
PATIENCE = 5.0


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is tried out: an image, what it is called in progress lines, and what it is asked.

    `timeout` is how many seconds the load balancer's check waits for an answer, `within` how many the image has to
    become ready, `patience` how many to do what is expected of it after that.
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
            return Tried(trial=self._trial(checks), wrong=not_ready(checks), ended=self._running.ended())
        questions = self._subject.questions
        replies = [self._reply(path, self._ask(Probe(path=path))) for path in questions.paths]
        missed = []
        for expected in questions.expects:
            answer, wrong = self._expect(expected)
            replies.append(self._reply(expected.path, answer))
            missed += [wrong] if wrong else []
        trial = self._trial(checks)
        ended = self._running.ended()
        return Tried(trial=replace(trial, replies=(*trial.replies, *replies)), unmet=tuple(missed), ended=ended)

    def _ready(self) -> tuple[Checks, Ended | None]:
        """Asks all health paths from the start: the first question starts the program's clock, and only on a path that
        it has (Tempo's and Pyroscope's readiness)."""
        checks = Checks()
        while True:
            replies = tuple(
                self._reply(path, self._ask(Probe(path=path), tenant="")) for path in self._subject.questions.checks
            )
            checks = checks.then(replies, self._clock.monotonic() - self._began)
            self._tell(", ".join(f"{reply.path} {reply.status or 'does not answer'}" for reply in replies))
            if not any(reply.status for reply in replies) and (ended := self._running.ended()) is not None:
                return checks, ended
            if checks.verdict(self._subject.within) != "wait":
                return checks, None
            self._pause(_EVERY)

    def _expect(self, expected: Probe) -> tuple[Answer | None, str]:
        began = self._clock.monotonic()
        while True:
            answer = self._ask(expected)
            wrong = unmet(expected, answer)
            if not wrong or self._clock.monotonic() - began >= self._subject.patience:
                return answer, wrong
            self._tell(wrong)
            self._pause(_EVERY)

    def _ask(self, probe: Probe, tenant: str | None = None) -> Answer | None:
        self._tell("")
        with suppress(TransientError):
            asker = self._subject.tenant if tenant is None else tenant
            return self._running.ask(probe.path, send=probe.send, tenant=asker)
        return None

    def _reply(self, path: str, answer: Answer | None) -> Reply:
        subject = self._subject
        reply = replied(path, answer, subject.health, subject.matcher, subject.timeout)
        return reply if path in self._subject.questions.checks else replace(reply, healthy=False)

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
