"""The process: `python -m standins tempo -config.file=…`, or an image's entry point."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import flags
from .catalogue import PROGRAMS
from .course import Exit, refusal
from .listener import Answer, listen
from .logfmt import log, write
from .recordings import load as load_recordings
from .recordings import shift, times
from .standin import StandIn
from .strict_yaml import ConfigError, load, shape_of

IDENTITY = Path("/etc/standin.json")
_UNRECORDED = {"grafana", "alloy"}
# Blocked in every thread and waited for: a container's process 1 would not get them otherwise.
STOPPING = {signal.SIGTERM, signal.SIGINT}


def main(arguments: list[str]) -> int:
    """Run one program until it is stopped, or fails; return the real program's exit code."""
    service, *rest = arguments
    version, factor = _identity(service)
    try:
        given = flags.parse(rest, strict=service not in _UNRECORDED)
    except flags.FlagError as error:
        write(f"{error}")
        return 2
    if given.version:
        sys.stdout.write(f"{service}, version {version} (stand-in)\n")
        return 0
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    if service in _UNRECORDED:
        # The others start without it.
        _open(importlib.import_module(f".{service}", __package__).start(version))
        return _wait(service, version, lambda: (0.0, 0))
    try:
        config = load(_source(given), shape_of(service, version)) if given.config_file else {}
    except ConfigError as error:
        for line in refusal(load_recordings(service, version), given.config_file, str(error)):
            write(line)
        return 1
    except OSError as error:
        write(f"failed parsing config: failed to read configFile {given.config_file}: {error}")
        return 1
    return 0 if given.verify else _run(service, version, config, factor)


def _run(service: str, version: str, config: dict[str, Any], factor: float) -> int:
    standin = StandIn(service, version, config, factor=factor, private_address=_has_private_address())
    course = standin.course
    threading.Thread(target=lambda: standin.player, daemon=True).start()
    if course.exit and not course.listens:
        return _fail(course.exit, factor)
    _sleep(course.listens_after / factor)
    for line in course.lines:
        write(_today(line))
    try:
        # The main one, on which readiness is asked, comes last: a client that reaches it reaches all.
        _open([(each.port, each.answer) for each in reversed(standin.listeners)])
    except OSError as error:
        log("error", f"error running {service}", err=f"error initialising module: server: listen tcp: {error}")
        return 1
    if course.exit:
        return _fail(course.exit, factor)
    return _wait(service, version, lambda: (standin.stop_after(), course.stop_code))


def _wait(service: str, version: str, stop: Callable[[], tuple[float | None, int]]) -> int:
    log("info", f"{service} started", version=version)
    signal.sigwait(STOPPING)
    log("info", "received SIGINT/SIGTERM, stopping")
    seconds, code = stop()
    if seconds is None:
        threading.Event().wait()
    time.sleep(seconds or 0.0)
    return code


def _fail(exit_: Exit, factor: float) -> int:
    _sleep(exit_.after / factor)
    for line in exit_.lines:
        write(_today(line))
    return exit_.code


def _sleep(seconds: float) -> None:
    """Wait, but end at once on SIGTERM: a process that has not started has nothing to stop."""
    if signal.sigtimedwait(STOPPING, seconds):
        raise SystemExit(0)


def _today(line: str) -> str:
    return shift(line, time.time() - found[0]) if (found := times(line)) else line


def _open(listeners: list[tuple[int, Answer]]) -> None:
    """Listen on each port, or on the one that STANDIN_PORTS names instead, on loopback."""
    pairs = [each.split("=") for each in os.environ.get("STANDIN_PORTS", "").split(",") if each]
    instead = {int(configured): int(real) for configured, real in pairs}
    for port, answer in listeners:
        listen(instead.get(port, port), answer, "127.0.0.1" if instead else "0.0.0.0")  # noqa: S104 - a container's own


def _identity(service: str) -> tuple[str, float]:
    """Return the version that is played, and the factor that shortens delays."""
    image: dict[str, Any] = json.loads(IDENTITY.read_text()) if IDENTITY.exists() else {}
    version = str(image.get("version") or os.environ.get("STANDIN_VERSION", ""))
    known = PROGRAMS[service].versions
    if version not in known:
        raise SystemExit(
            f"no stand-in for {service} {version or '(set STANDIN_VERSION)'}; there are {', '.join(known)}"
        )
    return version, max(1.0, float(os.environ.get("STANDIN_FACTOR") or image.get("factor") or 1.0))


def _has_private_address() -> bool:
    given = os.environ.get("STANDIN_ADDRESSES", "")
    return given == "private" if given else any(name != "lo" for _, name in socket.if_nameindex())


def _source(given: flags.Flags) -> str:
    source = Path(given.config_file).read_text()
    return re.sub(r"\$\{(\w+)(?::(-?[^}]*))?\}", _environment, source) if given.expand_env else source


def _environment(found: re.Match[str]) -> str:
    return os.environ.get(found[1]) or (found[2] or "").removeprefix("-")


def run(arguments: list[str]) -> None:
    """Run and leave at once, without waiting for the threads of open connections."""
    try:
        code = main(arguments)
    except SystemExit as leaving:
        if isinstance(leaving.code, str):
            write(leaving.code)
        code = leaving.code if isinstance(leaving.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run(sys.argv[1:])
