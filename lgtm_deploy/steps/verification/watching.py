"""Asking services again and again while something else goes on."""

import threading
from collections.abc import Sequence

from lgtm_deploy.core.ports import Clock, HttpFailure, Web
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.task_group import side_by_side
from lgtm_deploy.core.verify.availability import Availability, Knock, measured, path_of, together, watched_checks
from lgtm_deploy.core.verify.check import Check, judged
from lgtm_deploy.steps.verification.reading import Verification

LONGEST = 5.0


class Watcher:
    """Asks each path on a beat of its own until it is told to stop."""

    def __init__(self, web: Web, clock: Clock, checks: Sequence[Check], *, every: float) -> None:
        self._web = web
        self._clock = clock
        self._every = every
        self._ended = threading.Event()
        self._knocks: list[tuple[Check, list[Knock]]] = [(check, []) for check in checks]
        self._threads = [
            threading.Thread(target=self._keep_asking, args=(check, knocks), name="watch", daemon=True)
            for check, knocks in self._knocks
        ]

    def start(self) -> None:
        """Begins to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self, services: Sequence[str]) -> dict[str, Availability]:
        """Ends, and says how each service has answered. What is under way is waited for. May be called again."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        return {
            name: together(measured(path_of(check), knocks) for check, knocks in self._knocks if check.service == name)
            for name in services
        }

    def _keep_asking(self, check: Check, knocks: list[Knock]) -> None:
        due = self._clock.monotonic()
        # At least once: of what nobody asked nothing would be known.
        while True:
            knocks.append(knock(self._web, self._clock, check))
            # On a beat: a slow answer does not make the next question late, and no two are under way at once.
            due = max(due + self._every, self._clock.monotonic())
            if self._ended.wait(due - self._clock.monotonic()):
                return


def knock(web: Web, clock: Clock, check: Check) -> Knock:
    """One request. A slow answer is a good one: how long others take is not the question here."""
    began = clock.monotonic()
    heard = web.ask(check.question)
    ended = clock.monotonic()
    if isinstance(heard, HttpFailure):
        return Knock(began=began, ended=ended, wrong=judged(check, heard).got)
    judgement = check.judge(heard)
    return Knock(began=began, ended=ended, wrong="" if judgement.level == "ok" else judgement.got)


def watcher(verification: Verification, services: Sequence[Service], *, every: float, only_working: bool) -> Watcher:
    """A watcher of these services; `only_working`: of what answers well now. Raises NotFoundError: no load balancer."""
    ports = verification.ports
    now = ports.clock.now().timestamp()
    checks = [
        check for service in services for check in watched_checks(service, verification.place(service, LONGEST), now)
    ]
    if only_working:
        first = side_by_side(lambda check: knock(ports.web, ports.clock, check), checks)
        checks = [check for check, found in zip(checks, first, strict=True) if not found.wrong]
    return Watcher(ports.web, ports.clock, checks, every=every)
