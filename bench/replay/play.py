"""One recording, played: its stand-in is started, asked as recorded, and stopped.

Readiness is asked every half second, exchanges follow in their order and at their pace, and each of these times is
divided by the factor. Times in requests are moved so that the last exchange falls on the present: no request names a
time that the stand-in takes for the future because the replay is faster than the recording.
"""

import re
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.replay.compare import is_found
from bench.replay.recording import LAST_LOOK, Exchange, Recording
from bench.replay.standin import COMMAND, PATIENCE, StandIn
from bench.replay.times import shifted

Json = dict[str, Any]

_EVERY = 0.5  # seconds between two questions for readiness, and between two looks
_READY_TIMEOUT, _READY_LIMIT, _WATCH_LIMIT = 5.0, 180.0, 60.0  # seconds of the recording
# A hang is one when no answer comes within this time, in seconds.
_HANG = 1.0
# Maximum number of hanging requests at the same time.
_HANGS = 8
# A stand-in that falls behind its recorded times gets this many seconds more, whatever the factor.
SLACK = 2.0
# A process gets this long until it listens or exits: its start depends on the machine, not on the recording.
START_LIMIT = 30.0
_OK = 200
_SILENT = "does not listen"
_NUMBER = re.compile(r"\d+(\.\d+)?")
_REFUSING_PORT = 9


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a replay. `recordings` is a folder that stand-ins play in place of the project's own."""

    factor: float = 10.0
    recordings: Path | None = None
    command: Sequence[str] = COMMAND


@dataclass(frozen=True, kw_only=True)
class State:
    """An answer for readiness that differed from the one before.

    The question was sent at `since` and answered at `answered`, in seconds since the start.
    """

    since: float
    answered: float
    status: int
    words: str


@dataclass(kw_only=True)
class Played:
    """Everything that one start of a stand-in did."""

    states: list[State] = field(default_factory=list)
    listens_after: float = 0.0
    longest_gap: float = 0.0
    behind: float = 0.0
    """The longest time by which an exchange came after its recorded moment divided by the factor."""
    ready_after: float | None = None
    exit_code: int | None = None
    exited_after: float | None = None
    alive_after: float | None = None
    stop_code: int | None = None
    stopped_after: float | None = None
    answers: list[tuple[Exchange, Json]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    condition: str = ""
    """The condition of the recording that this machine does not meet; empty where it meets all."""


def play(recording: Recording, settings: Settings) -> list[Played]:
    """Play a recording; return one result for each start of the stand-in.

    Raise ValueError where the recording holds nothing to compare.
    """
    if not recording.exchanges and not recording.data["first_ready_answers"]:
        raise ValueError("it has neither exchanges nor answers for readiness")
    if recording.starts:
        return [_Player(recording, settings).one_start(exchanges) for exchanges in recording.starts]
    return [_Player(recording, settings).whole()]


def state_of(words: str) -> str:
    """Return the text of an answer for readiness without its numbers: a changed number is no change."""
    return _NUMBER.sub("#", words)


class _Player:
    def __init__(self, recording: Recording, settings: Settings) -> None:
        self._recording = recording
        self._factor = settings.factor
        self._settings = settings
        self._played = Played()
        self._by: int | None = None

    def whole(self) -> Played:
        """Wait for readiness, send the exchanges, stop."""
        data, played = self._recording.data, self._played
        if data["config_name"] == "s3-unreachable" and _listens(_REFUSING_PORT):
            played.condition = f"something answers on 127.0.0.1:{_REFUSING_PORT} of this machine"
        with self._start() as standin:
            self._wait_ready(standin)
            if played.exited_after is None:
                self._send_all(standin)
                self._stop(standin)
            played.log = standin.log()
        return played

    def one_start(self, exchanges: list[Exchange]) -> Played:
        """Wait until the stand-in listens, and send the exchanges."""
        with self._start() as standin:
            while not standin.ask({"method": "GET", "path": "/"})["status"] and standin.elapsed() < START_LIMIT:
                if standin.process.poll() is not None:
                    self._ended(standin)
                    break
                standin.sleep_until(standin.elapsed() + self._scaled(_EVERY))
            else:
                standin.sleep_until(standin.elapsed() + self._scaled(1.0))
                self._played.answers += self._send(standin, exchanges, 0, 0)
            self._played.log = standin.log()
        return self._played

    def _start(self) -> StandIn:
        settings = self._settings
        return StandIn(
            self._recording, factor=settings.factor, recordings=settings.recordings, command=settings.command
        )

    def _scaled(self, seconds: float) -> float:
        return seconds / self._factor

    def _limit(self) -> float:
        """Return how long readiness is asked, in seconds since the stand-in listens, or since its start."""
        data, main = self._recording.data, self._recording.main
        if data["ready_after_s"] is not None:
            return self._scaled(data["ready_after_s"]) + 5 * SLACK
        if main:
            return self._scaled(main[0].at - 1.0)
        if "exit_code" in data:
            return self._scaled(data["exited_after_s"]) + 5 * SLACK
        return self._scaled(data.get("still_running_after_s", _WATCH_LIMIT))

    def _wait_ready(self, standin: StandIn) -> None:
        """Ask readiness until it is 200, the stand-in exits, or the limit. Send the early exchanges meanwhile."""
        played, recording = self._played, self._recording
        request = {"method": "GET", "path": recording.data["ready_path"]}
        timeout = max(self._scaled(_READY_TIMEOUT), _HANG)
        early: Future[list[tuple[Exchange, Json]]] | None = None
        limit = self._limit()
        standin.sleep_until(self._scaled(recording.data["first_ready_answers"][0][0]))
        asked = standin.elapsed()
        with ThreadPoolExecutor(1) as pool:
            while self._watches(standin, limit):
                at = standin.elapsed()
                played.longest_gap = max(played.longest_gap, at - asked)
                asked = at
                answer = standin.ask(request, timeout)
                self._note(at, standin.elapsed(), answer)
                if self._waits_for_start(answer) and at < START_LIMIT:
                    played.listens_after, played.longest_gap = at, 0.0
                if standin.process.poll() is not None:
                    self._ended(standin)
                    break
                if answer["status"] == _OK:
                    played.ready_after = at
                    break
                if recording.early and not early and answer["status"]:
                    early = pool.submit(self._send_early, standin)
                standin.sleep_until(at + self._scaled(_EVERY))
            played.answers += early.result() if early else []

    def _watches(self, standin: StandIn, limit: float) -> bool:
        """Return true until the limit, and a little longer where the last recorded state has not come yet."""
        _, status, words = self._recording.data["first_ready_answers"][-1]
        states = [(each.status, state_of(each.words)) for each in self._played.states]
        extra = 0.0 if (status, state_of(words)) in states else SLACK
        return standin.elapsed() < self._played.listens_after + limit + extra

    def _waits_for_start(self, answer: Json) -> bool:
        """Return true until the stand-in first listens, where the recorded server did."""
        listened = any(each[2] != _SILENT for each in self._recording.data["first_ready_answers"])
        return listened and answer.get("error") == _SILENT and len(self._played.states) == 1

    def _ended(self, standin: StandIn) -> None:
        self._played.exited_after, self._played.exit_code = standin.elapsed(), standin.process.returncode

    def _note(self, at: float, answered: float, answer: Json) -> None:
        words = str(answer.get("error") or answer.get("body", ""))
        states = self._played.states
        last = (states[-1].status, state_of(states[-1].words)) if states else None
        if last != (answer["status"], state_of(words)):
            states.append(State(since=at, answered=answered, status=answer["status"], words=words))

    def _send_early(self, standin: StandIn) -> list[tuple[Exchange, Json]]:
        standin.sleep_until(standin.elapsed() + self._scaled(0.1))
        return self._send(standin, self._recording.early, *self._shift(standin))

    def _send_all(self, standin: StandIn) -> None:
        """Send the exchanges that follow readiness; wait as long as the recording did where there is none."""
        data, played = self._recording.data, self._played
        standin.sleep_until(standin.elapsed() + self._scaled(1.0))
        played.answers += self._send(standin, self._recording.main, *self._shift(standin))
        if "still_running_after_s" in data:
            standin.sleep_until(played.listens_after + self._scaled(data["still_running_after_s"]))
            played.alive_after = standin.elapsed()
        if standin.process.poll() is not None:
            self._ended(standin)

    def _stop(self, standin: StandIn) -> None:
        stop = self._recording.data.get("stop")
        if stop is None or self._played.exited_after is not None:
            return
        extra = 0.0 if isinstance(stop["exit_code"], str) else SLACK
        limit = self._scaled(stop["after_s"]) + extra
        self._played.stop_code, self._played.stopped_after = standin.stop(limit)

    def _shift(self, standin: StandIn) -> tuple[int, int]:
        """Return the base time of the recording, and the seconds by which its times are moved."""
        base, main = self._recording.data.get("base_time_unix_s"), self._recording.main
        if base is None or not main:
            return 0, 0
        if self._by is None:
            span = main[-1].at - main[0].at
            begins = time.time() + max(0.0, self._scaled(main[0].at) - standin.elapsed())
            self._by = int(begins + self._scaled(span)) - int(base + span)
        return base, self._by

    def _send(self, standin: StandIn, exchanges: Sequence[Exchange], base: int, by: int) -> list[tuple[Exchange, Json]]:
        """Send requests at the recorded pace; return each exchange with the answer that it got now.

        A request that hung in the recording is waited for beside the next ones.
        """
        sent: list[tuple[Exchange, Json | Future[Json]]] = []
        due = standin.elapsed()
        with ThreadPoolExecutor(_HANGS) as hangs:
            for before, exchange in zip([None, *exchanges], exchanges, strict=False):
                request = shifted(exchange.request, base, by)
                if before and exchange.name.endswith(LAST_LOOK):
                    sent.append((exchange, self._look(standin, _result(sent[-1][1]), exchange, request)))
                    due = standin.elapsed()
                    continue
                due += self._scaled(exchange.at - before.at) if before else 0.0
                standin.sleep_until(due)
                self._played.behind = max(self._played.behind, standin.elapsed() - due)
                ask = hangs.submit(standin.ask, request, _HANG) if exchange.hangs else standin.ask(request, PATIENCE)
                sent.append((exchange, ask))
            return [(exchange, _result(answer)) for exchange, answer in sent]

    def _look(self, standin: StandIn, first: Json, exchange: Exchange, request: Json) -> Json:
        """Ask until the record is found, or for as long as the recording looked; return the last answer."""
        looked = exchange.found_after if exchange.found_after is not None else exchange.looked_for
        extra = SLACK if exchange.found_after is not None else 0.0
        until = standin.elapsed() + self._scaled(looked or 0.0) + extra
        answer, at = first, standin.elapsed()
        while not is_found(answer) and standin.elapsed() < until:
            standin.sleep_until(at + self._scaled(_EVERY))
            at = standin.elapsed()
            answer = standin.ask(request, _HANG if exchange.hangs else PATIENCE)
        return answer


def _result(answer: Json | Future[Json]) -> Json:
    return answer.result() if isinstance(answer, Future) else answer


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True
