"""Comparison of everything that is no exchange: readiness, exit, log lines, SIGTERM."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.replay.compare import kind_of_silence
from bench.replay.play import SLACK, Played, Settings, state_of
from bench.replay.recording import Recording
from bench.replay.shape import masked

# Readiness was asked every half second, and times are good to another half on each side. Seconds of the recording.
_BLUR = 1.5
# A state that lasted no longer may be missed, by the recording as by the replay.
_SHORT = 1.5
# Readiness was asked this long where it never came.
_WATCHED = 60.0
# A process takes this many seconds of the machine to start, at most.
_START = 5.0
_OK = 200
_LINE_NUMBER = re.compile(r"(\bline \d+:)")
_LEVEL = re.compile(r"\blevel=\w+")
_ERROR = re.compile(r"\blevel=error\b")
_WARNING = re.compile(r"\blevel=warn\b.* err=")
_DEPENDENT = "because it depends on module"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One comparison. `wrong` is empty where all is as recorded; `late` tells that a slow machine may be the cause."""

    what: str
    wrong: str = ""
    late: bool = False


@dataclass(frozen=True, kw_only=True)
class _State:
    since: float
    answered: float
    status: int
    words: str
    lasted: float


def findings(recording: Recording, played: Played, settings: Settings) -> Iterator[Finding]:
    """Yield what is compared of a recording, apart from exchanges."""
    if recording.starts:
        return
    if played.condition:
        yield Finding(what="condition", wrong=f"{recording.data['config_name']} cannot be set: {played.condition}")
    yield from _exit(recording, played, settings)
    yield from _readiness(recording, played, settings)
    yield from _alive(recording, played, settings)
    yield from _stop(recording, played, settings)


def causes(log: Sequence[str]) -> list[str]:
    """Return the lines of a log that tell why a server does not work.

    These are the first line of level error, or the first warning of an error where there is none, or the lines that
    have no level, without stack traces, where no line has one.
    """
    lines = [line for line in log if line.strip() and _DEPENDENT not in line]
    for pattern in (_ERROR, _WARNING):
        found = next((line for line in lines if pattern.search(line)), None)
        if found:
            return [found]
    if any(_LEVEL.search(line) for line in lines):
        return []
    first = next((place for place, line in enumerate(lines) if not _is_notice(line)), len(lines))
    return [line for line in lines[first:] if "goroutine" not in line and not line.startswith("\t")]


def _is_notice(line: str) -> bool:
    """Return true for a line that a server prints at each start."""
    return "maxprocs:" in line


def _exit(recording: Recording, played: Played, settings: Settings) -> Iterator[Finding]:
    data = recording.data
    if "exit_code" not in data:
        if played.exited_after is not None:
            last = played.log[-1][:120] if played.log else "it wrote nothing"
            yield Finding(what="exit", wrong=f"exit code {played.exit_code} after {played.exited_after:.1f} s: {last}")
        return
    if played.exited_after is None:
        yield Finding(what="exit", wrong=f"exit code {data['exit_code']} recorded, it runs on")
        return
    same = played.exit_code == data["exit_code"]
    wrong = "" if same else f"exit code {data['exit_code']} recorded, {played.exit_code} found"
    yield Finding(what="exit code", wrong=wrong)
    yield _time("time of the exit", data["exited_after_s"], (played.exited_after,) * 2, settings, slack=_START)
    yield _cause(data["log_tail"], played.log)


def _cause(recorded: Sequence[str], log: Sequence[str]) -> Finding:
    written = {_line(line) for line in log}
    missing = next((line for line in causes(recorded) if _line(line) not in written), "")
    last = f", the last line found is '{log[-1][:160]}'" if log else ", it wrote nothing"
    return Finding(what="cause in the log", wrong=f"'{missing[:200]}' recorded{last}" if missing else "")


def _readiness(recording: Recording, played: Played, settings: Settings) -> Iterator[Finding]:
    """Compare the order of the answers, and the times of those that came over HTTP, from the first of them on."""
    data = recording.data
    end = data["ready_after_s"] or data.get("exited_after_s") or data.get("still_running_after_s") or _WATCHED
    recorded = _states([(at, at, status, words) for at, status, words in data["first_ready_answers"]], end)
    until = (
        played.ready_after or played.exited_after or played.alive_after or played.listens_after + end / settings.factor
    )
    found = _states([(each.since, each.answered, each.status, each.words) for each in played.states], until)
    wrong = _order(recorded, found, played.longest_gap, settings.factor)
    # A state that did not come may still come on a machine that is less busy.
    yield Finding(what="order of readiness answers", wrong=wrong, late="is lacking" in wrong)
    if wrong:
        return
    yield from _moments(recorded, found, settings)


def _states(answers: Sequence[tuple[float, float, int, str]], end: float) -> list[_State]:
    """Return the answers without those before the server listens, which depend on the machine."""
    ends = [each[0] for each in answers[1:]] + [end]
    states = [
        _State(
            since=since,
            answered=answered,
            status=status,
            words=state_of(words).strip() if status else kind_of_silence(words),
            lasted=max(0.0, until - since),
        )
        for (since, answered, status, words), until in zip(answers, ends, strict=True)
    ]
    while states and states[0].words == "does not listen":
        states.pop(0)
    return [each for each in states if each.words != "does not listen"]


def _order(recorded: Sequence[_State], found: Sequence[_State], gap: float, factor: float) -> str:
    """Return how two orders differ, empty where they do not. States that pass quickly may be missed in both."""
    left = list(recorded)
    for state in found:
        ahead = next((place for place, each in enumerate(left) if _same(each, state)), None)
        if ahead is None:
            if state.lasted <= _SHORT / factor + gap:
                continue
            return f"{_told(state)} is not recorded here; recorded: {_listed(recorded)}"
        skipped = [each for each in left[:ahead] if not _may_be_missed(each, gap, factor)]
        if skipped:
            return f"{_told(skipped[0])} is lacking; found: {_listed(found)}"
        left = left[ahead + 1 :]
    lacking = [each for each in left if each.status == _OK or not _may_be_missed(each, gap, factor)]
    return f"{_told(lacking[0])} is lacking; found: {_listed(found)}" if lacking else ""


def _same(one: _State, two: _State) -> bool:
    return (one.status, one.words) == (two.status, two.words)


def _may_be_missed(state: _State, gap: float, factor: float) -> bool:
    return state.lasted <= max(_SHORT, gap * factor)


def _moments(recorded: Sequence[_State], found: Sequence[_State], settings: Settings) -> Iterator[Finding]:
    if not recorded or not found:
        return
    for state in recorded[1:]:
        same = next((each for each in found if _same(each, state)), None)
        if same is None or not _same(recorded[0], found[0]):
            continue
        what = "time of readiness" if state.status == _OK else f"time of {_told(state)}"
        least, most = same.since - found[0].answered, same.answered - found[0].since
        yield _time(what, state.since - recorded[0].since, (least, most), settings)


def _time(what: str, recorded: float, found: tuple[float, float], settings: Settings, slack: float = SLACK) -> Finding:
    """Compare a time with the recorded one. It lies between the two that were found."""
    due, (least, most) = recorded / settings.factor, found
    if most < due - _BLUR / settings.factor:
        return Finding(what=what, wrong=f"{recorded:.1f} s recorded, {most * settings.factor:.1f} s found")
    if least > due + slack:
        wrong = f"{recorded:.1f} s recorded, {least * settings.factor:.1f} s found"
        return Finding(what=what, wrong=wrong, late=True)
    return Finding(what=what)


def _alive(recording: Recording, played: Played, settings: Settings) -> Iterator[Finding]:
    data = recording.data
    after = data.get("still_running_after_s")
    if after is None:
        return
    lives = played.alive_after is not None and played.exited_after is None
    yield Finding(what="still running", wrong="" if lives else f"it has ended before {after / settings.factor:.1f} s")
    log = [*data["log_head"], *data["log_tail"]]
    if data["ready_after_s"] is None and causes(log):
        yield _cause(log, played.log)


def _stop(recording: Recording, played: Played, settings: Settings) -> Iterator[Finding]:
    stop = recording.data.get("stop")
    if stop is None or played.exited_after is not None:
        return
    after, code, found = stop["after_s"], stop["exit_code"], played.stop_code
    if isinstance(code, str):
        wrong = "" if found is None else f"{code} recorded, exit code {found} after {played.stopped_after:.2f} s found"
        yield Finding(what="SIGTERM", wrong=wrong)
        return
    if found is None:
        wrong = f"exit code {code} after {after} s recorded, it runs on"
        yield Finding(what="SIGTERM", wrong=wrong, late=True)
        return
    yield Finding(what="SIGTERM", wrong="" if found == code else f"exit code {code} recorded, {found} found")
    if played.stopped_after is not None:
        yield _time("time of the end after SIGTERM", after, (played.stopped_after,) * 2, settings)


def _line(line: str) -> str:
    """Return a line masked, with its line number in a file as it is."""
    return "".join(part if place % 2 else masked(part) for place, part in enumerate(_LINE_NUMBER.split(line))).strip()


def _told(state: _State) -> str:
    return f"{state.status} '{' '.join(state.words.split())[:60]}'" if state.status else state.words


def _listed(states: Sequence[_State]) -> str:
    return ", then ".join(map(_told, states)) or "nothing"
