"""The course of a process: when it listens, when it is ready, whether it fails, and how it stops.

All moments are seconds of the recording: the caller divides them by the factor.
"""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .listener import Response, text
from .recordings import Recording

PROBE_SECONDS = 0.5  # Readiness was asked this often.
CONNECT_SECONDS = 2.0
_COUNTDOWN = re.compile(r"[\d.]+(s|ms) before")


@dataclass(frozen=True, kw_only=True)
class Exit:
    """The end of a process that fails."""

    code: int
    after: float
    lines: tuple[str, ...]


@dataclass(kw_only=True)
class Course:
    """One start."""

    exit: Exit | None = None
    instead: Response | None = None
    """The answer to every request of a server that accepts connections and answers nothing."""
    listens: bool = True
    listens_after: float = 0.0
    starting: list[tuple[float, str]] = field(default_factory=list)
    """Readiness answers until a moment since the start."""
    waiting: list[tuple[float, str]] = field(default_factory=list)
    """Readiness answers that each last so long, counted from the first probe that meets one."""
    ready: Response | None = None
    lines: tuple[str, ...] = ()
    stop_code: int = 0
    stop_after: float = 0.0
    probed: float | None = None

    def readiness(self, at: float) -> Response:
        """Return the answer to a readiness probe."""
        for until, body in self.starting:
            if at < until:
                return text(body, 503)
        if self.probed is None:
            self.probed = at
        rest = at - self.probed
        for seconds, body in self.waiting:
            if rest < seconds:
                return text(_COUNTDOWN.sub(f"{_go_duration(seconds - rest)} before", body), 503)
            rest -= seconds
        return self.ready or Response(hangs=True)

    def is_early(self, at: float) -> bool:
        """Return whether a server that was asked at once would not be ready yet."""
        return at < sum(seconds for seconds, _ in self.waiting) + max(
            (until for until, _ in self.starting), default=0.0
        )


def course_of(recordings: list[Recording], config: Mapping[str, Any], *, private_address: bool) -> Course:
    """Return the course that the recordings show for a configuration and a machine."""
    named = {str(each.source["config_name"]): each for each in recordings}
    missing = _missing_runtime_config(config)
    if missing and (found := next((each for name, each in named.items() if name.startswith("runtime-config")), None)):
        return Course(listens=False, exit=_exit(found, {str((found.config["runtime_config"])["file"]): missing}))
    if unreachable := _unreachable(config):
        if found := named.get("s3-unreachable"):
            return _of(found, named)
        if any(each.source["server"] == "pyroscope" and each.source["version"] == "1.13.5" for each in recordings):
            # [run]: exit code 1 after 22 to 24 s, readiness 503 until then. 2.0.4 becomes ready.
            course = _of(named["plain"], named)
            lines = ('level=error msg="error running pyroscope" err="dial tcp: connect: connection refused"',)
            course.exit, course.waiting = Exit(code=1, after=23.0, lines=lines), [(math.inf, course.waiting[0][1])]
            return course
    if not private_address and (found := named.get("no-private-address")):
        return _of(found, named)
    usual = [
        each for each in recordings if each.source.get("ready_after_s") and len(each.source["first_ready_answers"]) > 1
    ]
    usual.sort(key=lambda each: (each.source["config_name"] == "late-probe", -len(each.source["exchanges"])))
    course = _of(usual[0], named) if usual else Course(ready=text("ready"))
    if unreachable and course.waiting:
        # [run] Pyroscope 2.0.4: ready after 49 s instead of 47 s.
        course.waiting[0] = (course.waiting[0][0] + 2.0, course.waiting[0][1])
    return course


def refusal(recordings: list[Recording], file: str, reason: str) -> list[str]:
    """Return the last words of a server that refuses its configuration."""
    found = [f"{file}: {reason}"]
    for each in recordings:
        recorded = str(each.source["flags"][0]).partition("=")[2]
        lines = [str(line) for line in each.source.get("log_tail") or ()]
        at = next((at for at, line in enumerate(lines) if f"{recorded}: " in line), None)
        if not each.source.get("exit_code") or at is None:
            continue
        before, _, after = lines[at].partition(f"{recorded}: ")
        words, yaml, _ = after.partition("yaml: ")
        # Words between the file and the reason: `Error parsing config file: ` (mimir-2.16.0-unknown-key). They are not
        # there before a reason that is not YAML's own (loki-3.5.1-bad-value).
        found = [*lines[:at], f"{before}{file}: {words if yaml and reason.startswith(yaml) else ''}{reason}"]
        if yaml:
            break
    return found


def _of(recording: Recording, named: Mapping[str, Recording]) -> Course:
    source = recording.source
    answers = [(float(at), int(status), str(body)) for at, status, body in source["first_ready_answers"]]
    heard = [each for each in answers if each[1]]
    heads = [source] if source.get("log_head") else [each.source for each in named.values() if _is_usual(each)]
    course = Course(lines=next((tuple(each["log_head"]) for each in heads if each.get("log_head")), ()))
    if source.get("exited_after_s") is not None:
        course.exit = _exit(recording, {})
    course.listens = len(answers) > 1
    if not heard and course.listens:
        # mimir-2.16.0-s3-unreachable: timed out; loki-3.5.1-s3-unreachable: connection reset.
        hangs = "timed out" in answers[1][2]
        course.instead = Response(hangs=hangs, drops=not hangs)
    opened = (heard or answers[1:] or answers)[0][0]
    course.listens_after = max(0.0, opened - PROBE_SECONDS)
    for (at, status, body), (until, *_) in pairwise(heard):
        if status == 503 and " not ready: " in body:  # noqa: PLR2004
            course.waiting.append((until - at, body))
        elif status == 503:  # noqa: PLR2004
            course.starting.append((until, body))
    course.ready = next((_ready(body, named) for _, status, body in heard if status == 200), None)  # noqa: PLR2004
    # How long a server takes that was not asked for more than its readiness: the late-probe files.
    usual = [each.source for each in named.values() if _is_usual(each)]
    usual.sort(key=lambda each: (len(each["exchanges"]), each["config_name"] != "late-probe"), reverse=True)
    for each in [source] if course.instead else usual:
        if isinstance((each.get("stop") or {}).get("exit_code"), int):
            course.stop_code, course.stop_after = each["stop"]["exit_code"], float(each["stop"]["after_s"])
    return course


def _is_usual(recording: Recording) -> bool:
    return recording.source.get("exit_code") is None and recording.source["config_name"] != "s3-unreachable"


def _ready(body: str, named: Mapping[str, Recording]) -> Response:
    # first_ready_answers have no content type: that of `GET /ready`, below a prefix or not, is taken.
    for recording in named.values():
        for each in recording.source["exchanges"]:
            asked, answer = each["request"], each["response"]
            if asked["method"] == "GET" and asked["path"] == recording.source["ready_path"] and answer["status"] == 200:  # noqa: PLR2004
                return Response(body=body.encode(), kind=answer["headers"]["content-type"])
    return text(body)


def _exit(recording: Recording, replaced: Mapping[str, str]) -> Exit:
    lines = [str(line) for line in recording.source.get("log_tail") or ()]
    for recorded, mine in replaced.items():
        lines = [line.replace(recorded, mine) for line in lines]
    after = max(0.0, float(recording.source["exited_after_s"]) - PROBE_SECONDS)
    return Exit(code=int(recording.source["exit_code"]), after=after, lines=tuple(lines))


def _missing_runtime_config(config: Mapping[str, Any]) -> str:
    # Mimir opens it as a local file, whatever it looks like (mimir-2.16.0-runtime-config-s3).
    named = str((config.get("runtime_config") or {}).get("file") or "")
    return next((each for each in named.split(",") if each and not Path(each).is_file()), "")


def _unreachable(config: Mapping[str, Any]) -> bool:
    """Return whether an S3 endpoint of the configuration refuses connections."""
    for endpoint in _endpoints(config):
        parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname or "", port), timeout=CONNECT_SECONDS).close()
        except OSError:
            return True
    return False


def _endpoints(config: Any) -> list[str]:
    if not isinstance(config, dict):
        return []
    mine = (config.get("s3") or {}).get("endpoint") if isinstance(config.get("s3"), dict) else None
    return [str(mine)] * bool(mine) + [one for each in config.values() for one in _endpoints(each)]


def _go_duration(seconds: float) -> str:
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s" if seconds >= 1 else f"{seconds * 1000:.6f}ms"
