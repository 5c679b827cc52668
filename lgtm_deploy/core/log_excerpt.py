"""The few lines of a container's log that explain why it failed.

A server's log names the cause in its first error lines. What follows are consequences: modules that depend on the one
that failed, and the shutdown (Mimir 2.16.0 with `runtime_config.file: s3://…` writes 17 more lines after the cause).
Where no line has a level, as when a configuration is refused, the last lines say it, once stack traces are left out.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

# Callers read this many lines of a log, from its end.
LINES_READ = 500
_ERRORS = 3
_LAST = 5
_CHARACTERS = 500

# `level=error` (go-kit, slog, logrus), `lvl=eror` (log15), `"level":"error"` (JSON), `[ERROR]` (hashicorp/go-hclog),
# `2026/01/01 12:00:00 [emerg]` (nginx).
_LEVEL = re.compile(
    r"""(?:\b(?:level|lvl|severity)["']?\s*[=:]\s*["']?|^(?:\S+\s+){0,2}\[)"""
    r"(?P<level>trace|debug|dbug|info|notice|warn(?:ing)?|err(?:or)?|eror|crit(?:ical)?|fatal|alert|emerg\w*|d?panic)\b",
    re.IGNORECASE,
)
_ERROR_LEVELS = ("err", "eror", "crit", "fatal", "alert", "emerg", "panic", "dpanic")
_WARNING = "warn"
# Go: a crash of the runtime has no level.
_CRASH = re.compile(r"^(?:panic: |fatal error: )|^(?:\S+ )?FATAL\b")
# The time and the source line differ from line to line and explain nothing.
_STAMPS = re.compile(r"(?:^|(?<=\s))(?:ts|t|time|caller)=(?:\"[^\"]*\"|\S+)\s*")
# github.com/pkg/errors writes its stack into the message: `…\nmain.main\n\t/src/main.go:227\n…`.
_STACK_WITHIN = re.compile(r"\\n[^\s\\]+\\n\\t[^\"]*")
_GOROUTINE = re.compile(r"^goroutine \d+ \[|^\[signal |^created by |^exit status \d")
_JAVA_FRAME = re.compile(r"^\s+at \S+\(|^\s+\.\.\. \d+ more$")
_PYTHON_FRAME = re.compile(r'^\s+File "[^"]*", line \d+')
# Python 3.11 marks the failing part of the source line.
_PYTHON_CARETS = re.compile(r"^\s+[~^]+$")
_TRACEBACK = "Traceback (most recent call last):"


def excerpt(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the lines that explain a failure, oldest first: at most five, each at most 500 characters long.

    The first error lines; else, where levels are used, the last lines above `info`; else the last lines. Stack traces
    and repetitions are left out. An excerpt of an excerpt is the same.
    """
    written = list(_without_stacks([line.rstrip() for line in lines if line.strip()]))
    if errors := [line for line in written if _is_error(line)]:
        return _short(errors)[:_ERRORS]
    notable = [line for line in written if _level(line) in ("", _WARNING)]
    return _short(notable or written)[-_LAST:]


def quoted(lines: Iterable[str]) -> str:
    """Return the excerpt on one line, with what it is; empty where the log is empty."""
    found = excerpt(lines)
    if not found:
        return ""
    return f"{'first errors in its log' if has_errors(found) else 'last log lines'}: {' | '.join(found)}"


def has_errors(lines: Iterable[str]) -> bool:
    """Return whether the log has a line of an error level, or a crash."""
    return any(_is_error(line) for line in lines)


def _is_error(line: str) -> bool:
    return _level(line).startswith(_ERROR_LEVELS) or _CRASH.search(line) is not None


def _level(line: str) -> str:
    """The line's level in lower case, `warn` for any warning; empty where it has none."""
    found = _LEVEL.search(line)
    level = found["level"].lower() if found else ""
    return _WARNING if level.startswith(_WARNING) else level


def _short(lines: Sequence[str]) -> tuple[str, ...]:
    """Each line once, without time, source line and stack."""
    cleaned = (_STACK_WITHIN.sub("", _STAMPS.sub("", line)).strip()[:_CHARACTERS] for line in lines)
    return tuple(dict.fromkeys(cleaned))


def _without_stacks(lines: Sequence[str]) -> Iterator[str]:
    """The lines that are no frames of a Go, Java or Python stack trace."""
    skips_source = False
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        is_source, skips_source = skips_source, bool(_PYTHON_FRAME.match(line))
        # Go: a frame is the call, then the source file after a tab.
        is_call = following.startswith("\t") and line.endswith(")") and not line.startswith("\t")
        is_frame = skips_source or line.startswith(("\t", _TRACEBACK)) or _JAVA_FRAME.match(line)
        is_quoted = (is_source and line.startswith("    ")) or _PYTHON_CARETS.match(line)
        if is_frame or is_call or is_quoted or _GOROUTINE.match(line):
            continue
        yield line
