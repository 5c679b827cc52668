"""Checks over HTTP, at the same time, and again where the trouble may pass."""

import threading
from collections.abc import Callable

from lgtm_deploy.core.ports import Clock, HttpFailure, HttpRequest, HttpResponse, HttpResult, Web
from lgtm_deploy.core.verify.check import Check, is_slow, judged, recovered
from lgtm_deploy.core.verify.clock import skew
from lgtm_deploy.core.verify.finding import Finding

AGAIN_AFTER = (0.5, 1.5)
_PASSING_STATUS = frozenset({429, 500, 502, 503, 504})
_PASSING_TROUBLE = frozenset({"refused", "closed", "truncated"})


class Asker:
    """Asks, and notes by how much the clocks of those who answer are ahead of ours."""

    def __init__(self, web: Web, clock: Clock, pause: Callable[[float], None]) -> None:
        self._web = web
        self._clock = clock
        self._lock = threading.Lock()
        self.pause = pause
        self.skews: list[float] = []

    def ask(self, question: HttpRequest) -> HttpResult:
        """One request."""
        heard = self._web.ask(question)
        if isinstance(heard, HttpResponse):
            ahead = skew(heard, self._clock.now())
            if ahead is not None:
                with self._lock:
                    self.skews.append(ahead)
        return heard

    def check(self, check: Check) -> Finding:
        """What came of a check."""
        return self.hear(check)[0]

    def hear(self, check: Check) -> tuple[Finding, HttpResult]:
        """What came of a check, and the last answer."""
        heard = self.ask(check.question)
        if check.timed and is_slow(heard):
            # Once is chance: a machine that is busy with something else for a moment.
            heard = self.ask(check.question)
        first = result = judged(check, heard)
        for seconds in AGAIN_AFTER:
            if result.level == "ok" or not _may_pass(heard):
                break
            self.pause(seconds)
            heard = self.ask(check.question)
            result = judged(check, heard)
        return recovered(result, first), heard


def _may_pass(heard: HttpResult) -> bool:
    if isinstance(heard, HttpFailure):
        return heard.trouble in _PASSING_TROUBLE
    return heard.status in _PASSING_STATUS
