"""A replay of a folder of recordings.

Several are played at the same time. Those that a slow machine may have spoiled are played once more, alone.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.replay.compare import Verdict, compare, compare_look, is_page
from bench.replay.outcome import findings
from bench.replay.own import OwnRequests
from bench.replay.play import Played, Settings, play
from bench.replay.recording import FIRST_LOOK, LAST_LOOK, Exchange, Recording, load
from bench.replay.report import Kind, Report, Result, Row
from bench.replay.standin import COMMAND, SANDBOX

Json = dict[str, Any]

RECORDINGS = SANDBOX / "standins" / "recordings"
# Recordings are played once more for this many seconds. A stand-in that is late by itself is late again.
_AGAIN = 120.0
# Exchanges that come later than this many seconds may meet another state of the server.
_BEHIND = 0.5


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a replay. `leave_out` hides each recording from the stand-in that it is played against."""

    folder: Path = RECORDINGS
    only: str = "*"
    factor: float = 10.0
    jobs: int = 4
    leave_out: bool = False
    command: Sequence[str] = COMMAND


def replay(options: Options) -> Report:
    """Play all recordings of a folder; return what was found."""
    own = OwnRequests.collect()
    settings = Settings(factor=options.factor, command=options.command)
    known = set() if options.leave_out else {_identity(each) for each in load(RECORDINGS)}
    recordings: list[Recording] = []
    unreadable: list[Result] = []
    for path in sorted(options.folder.glob("*.json")):
        try:
            recordings += load(path.parent, path.stem) if _chosen(path, options.only) else []
        except ValueError as error:
            unreadable.append(Result(name=path.stem, fault=str(error)))

    def one(recording: Recording) -> Result:
        with _without(recording, options.leave_out) as folder:
            result = _result(recording, replace(settings, recordings=folder), own)
        return replace(result, known=_identity(recording) in known)

    # The longest one first: the others fit beside it.
    recordings.sort(key=_length, reverse=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(one, recordings))
    begun = time.monotonic()
    for place, (recording, result) in reversed([*enumerate(zip(recordings, results, strict=True))]):
        if result.late and time.monotonic() < begun + _AGAIN:
            print(f"once more, alone: {recording.name}", file=sys.stderr)
            results[place] = one(recording)
    found = sorted([*results, *unreadable], key=lambda result: result.name)
    return Report(results=found, own=own.counts(), unrecorded=own.unrecorded({each.server for each in recordings}))


def compared(recording: Recording, played: Sequence[Played], settings: Settings, own: OwnRequests) -> list[Row]:
    """Return all comparisons of a recording."""
    rows: list[Row] = []
    for start in played:
        rows += _exchanges(recording, start, own)
        rows += [
            Row(kind="outcome", where=each.what, wrong=each.wrong, late=each.late)
            for each in findings(recording, start, settings)
        ]
    asked = {exchange.name for start in played for exchange, _ in start.answers}
    ended = next((start.log[-1] for start in played if start.log and start.exited_after is not None), "")
    rows += [
        Row(kind=_kind(each, recording, own), where=each.name, wrong=f"it was not asked. {ended}".strip(), status=True)
        for each in recording.exchanges
        if each.name not in asked
    ]
    return rows


def _result(recording: Recording, settings: Settings, own: OwnRequests) -> Result:
    try:
        return Result(name=recording.name, rows=compared(recording, play(recording, settings), settings, own))
    except (OSError, KeyError, TypeError, ValueError) as error:
        return Result(name=recording.name, fault=f"it cannot be played: {error!r}")


def _exchanges(recording: Recording, played: Played, own: OwnRequests) -> Iterator[Row]:
    answers = played.answers
    place = 0
    while place < len(answers):
        exchange, answer = answers[place]
        after = answers[place + 1][0] if place + 1 < len(answers) else None
        if after and exchange.name.endswith(FIRST_LOOK) and after.name.endswith(LAST_LOOK):
            pair = answers[place : place + 2]
            verdicts = compare_look(exchange, after, [each for _, each in pair], recording)
            place += 2
        else:
            pair, verdicts = [(exchange, answer)], [compare(exchange, answer, recording)]
            place += 1
        for (each, _), verdict in zip(pair, verdicts, strict=True):
            yield _row(each, verdict, _kind(each, recording, own), behind=played.behind > _BEHIND)


def _row(exchange: Exchange, verdict: Verdict, kind: Kind, *, behind: bool) -> Row:
    late = verdict.late or (behind and bool(verdict.wrong))
    return Row(kind=kind, where=exchange.name, how=verdict.how, wrong=verdict.wrong, status=verdict.status, late=late)


def _kind(exchange: Exchange, recording: Recording, own: OwnRequests) -> Kind:
    if own.sends(exchange, recording):
        return "product"
    return "page" if is_page(exchange) else "API"


def _length(recording: Recording) -> float:
    """Return about how long a recording takes, in seconds of the recording."""
    exchanges = recording.exchanges
    hangs = sum(10.0 for each in exchanges if each.hangs)
    asked = exchanges[-1].at if exchanges else 0.0
    return float(recording.data.get("stop", {}).get("after_s", 0.0)) + asked + hangs


def _identity(recording: Recording) -> tuple[str, ...]:
    return tuple(str(recording.data[name]) for name in ("server", "version", "config_name", "config_yaml"))


def _chosen(path: Path, pattern: str) -> bool:
    return path.match(f"{pattern}.json")


@contextmanager
def _without(recording: Recording, leave_out: bool) -> Iterator[Path | None]:
    """Make a folder of the project's own recordings without this one; None where nothing is left out."""
    if not leave_out:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        for path in RECORDINGS.glob("*.json"):
            if path.name != recording.file:
                shutil.copyfile(path, Path(folder, path.name))
        yield Path(folder)
