"""The words, numbers and shortenings that every view of a run shares."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from rich.cells import cell_len, chop_cells

from lgtm_deploy.core.event import EXIT_CODES, RESUMABLE, Verdict
from lgtm_deploy.core.run import Run, StepStatus
from lgtm_deploy.core.verify.availability import read, told
from lgtm_deploy.core.words import grouped

# Terminal commands (CSI, OSC and short ones), then whatever else moves a cursor, reorders text or cannot be encoded.
_COMMANDS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]?")
_BLANKS = re.compile(r"\s+")
_GAPS = re.compile(r"( {2,})")
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]")
# A tag of 32 hex digits, which an image has that this tool pushed.
_TAG = re.compile(r"(:[0-9a-f]{12})[0-9a-f]{20}\b")
_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
_ARN = re.compile(r"\barn:[\w-]+:[\w-]+:[\w-]*:\d*:[\w-]+/([\w.:/-]+)")

_MINUTE = 60
_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class State:
    """How a state is shown: the word says it, the symbol and the style only repeat it."""

    symbol: str
    word: str
    style: str


STATES: Mapping[StepStatus, State] = {
    "waiting": State(symbol="·", word="waiting", style="dim"),
    "running": State(symbol="▸", word="running", style="cyan"),
    "succeeded": State(symbol="✓", word="done", style="green"),
    "unchanged": State(symbol="=", word="unchanged", style="green"),
    "failed": State(symbol="✗", word="failed", style="bold red"),
    "in-doubt": State(symbol="?", word="in doubt", style="bold yellow"),
    "skipped": State(symbol="-", word="skipped", style="dim"),
    "compensated": State(symbol="↶", word="restored", style="yellow"),
    "left-as-is": State(symbol="↶", word="left as is", style="yellow"),
    "not-compensated": State(symbol="✗", word="not restored", style="bold red"),
}
STOPPED = State(symbol="-", word="stopped", style="yellow")
RESTORING = State(symbol="↶", word="restoring", style="yellow")

_GOOD: frozenset[Verdict] = frozenset({"deployed", "unchanged"})
_LEFT_CHANGED: frozenset[Verdict] = frozenset({"halted", "interrupted", "timed-out", "superseded"})


def clean(text: object) -> str:
    """The text as one line that does nothing to a terminal: no control characters, no runs of blanks."""
    return _BLANKS.sub(" ", _HIDDEN.sub(" ", _COMMANDS.sub("", str(text)))).strip()


def tabled(text: str) -> str:
    """The text, cleaned, with the runs of blanks between its columns kept."""
    return "".join(part if part.isspace() else short(part) for part in _GAPS.split(text)).rstrip()


def short(text: object) -> str:
    """The text, cleaned, with hashes and tags cut to 12 digits and ARNs to the resource they name."""
    return _ARN.sub(r"\1", _TAG.sub(r"\1", _HASH.sub(r"\1", clean(text))))


def fitted(text: str, width: int) -> str:
    """The text in at most `width` terminal cells, its end cut off and marked where it is longer."""
    if cell_len(text) <= width:
        return text
    return (chop_cells(text, width - 1)[0] if width > 1 else "") + "…" if width > 0 else ""


def duration(seconds: float) -> str:
    """Seconds as a person says them: `0.3 s`, `41.0 s`, `2 min 05 s`, `1 h 02 min`."""
    seconds = max(seconds, 0.0)
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"


def stopwatch(seconds: float) -> str:
    """Seconds in at most 7 cells, for columns: `12.3 s`, `2:05`, `1:02:05`."""
    seconds = max(seconds, 0.0)
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours = f"{whole // _HOUR}:" if whole >= _HOUR else ""
    return f"{hours}{whole % _HOUR // _MINUTE:0{2 if hours else 1}}:{whole % _MINUTE:02}"


def facts(outputs: Mapping[str, Any], limit: int = 3) -> str:
    """The first few plain values among a step's outputs, such as `digest sha256:0123456789ab`."""
    plain = ((name, value) for name, value in outputs.items() if isinstance(value, str | int | float))
    told = [f"{clean(name)} {short(value)}" for name, value in plain if value != ""]
    return "  ".join(told[:limit])


def verdict_line(run: Run) -> str:
    """How the run ended and why, in one line; and how to go on where it can go on."""
    again = f"lgtm-deploy resume {clean(run.id)} --env {clean(run.environment)}"
    if run.verdict is None:
        return f"no verdict: run {clean(run.id)} is still going, or was killed; then go on with: {again}"
    code = EXIT_CODES[run.verdict] if run.exit_code is None else run.exit_code
    line = f"{run.verdict} after {duration(run.seconds)} (exit {code})"
    if run.reason:
        line += f": {clean(run.reason)}"
    if run.verdict in RESUMABLE:
        line += f"{'' if line.endswith('.') else '.'} Go on with: {again}"
    return line


def verdict_style(run: Run) -> str:
    """The colour of the verdict."""
    return "bold green" if run.verdict in _GOOD else "bold yellow" if run.verdict == "rolled-back" else "bold red"


def brief_reason(reason: str, run: Run) -> str:
    """The reason, without a step's own words where they were told just before."""
    for step in run.steps.values():
        if step.status in {"failed", "in-doubt"} and step.message and step.message in reason:
            return f"{clean(step.id)} {STATES[step.status].word}"
    return clean(reason)


def difference_lines(run: Run) -> Iterator[str]:
    """What is not as the run found it, a line each; empty for a run that reached its goal or is still going."""
    if run.differs:
        for each in run.differs:
            yield f"differs: {clean(each)}"
    elif run.verdict in _LEFT_CHANGED:
        for step in run.steps.values():
            if step.acted:
                yield f"changed: {clean(step.id)} {short(step.change)}".rstrip()


def left_lines(run: Run) -> list[str]:
    """Return what a rollback has left as is, a line for each step."""
    left = (step for step in run.steps.values() if step.status == "left-as-is")
    return [f"left as is: {clean(step.id)}: {short(step.remains)}" for step in left]


def availability_lines(services: Mapping[str, Any]) -> list[str]:
    """How each service answered while the run went on, a line each."""
    return [
        f"availability of {clean(name)}: {told(each)}" + (f" ({clean(each.why)})" if each.why else "")
        for name, each in read(services).items()
    ]


def base_image_lines(run: Run) -> list[str]:
    """Return where the services' base images come from in a sandbox, a line for each origin; empty elsewhere."""
    return [f"base images, {clean(each)}" for each in grouped(run.base_images)]


def encodable(text: str, out: TextIO) -> str:
    """The text with `?` for what the stream's encoding has no sign for."""
    encoding = getattr(out, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def put(out: TextIO, line: str) -> None:
    """Writes one line at once."""
    out.write(encodable(line, out) + "\n")
    out.flush()
