"""How is a stand-in started? `python -m standins tempo -config.file=…`, or as the image's entry point."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path

from . import flags
from .catalogue import PROGRAMS
from .listener import listen
from .logfmt import log
from .program import Definition, Start, StartError
from .strict_yaml import ConfigError, load

IDENTITY = Path("/etc/standin.json")
# Blocked in every thread and waited for: a container's process 1 would not get them otherwise.
STOPPING = {signal.SIGTERM, signal.SIGINT}


def main(arguments: list[str]) -> int:
    """Run one program until it is told to stop; the exit code is the real program's."""
    service, *rest = arguments
    version = _version(service)
    given = flags.parse(rest)
    if given.version:
        sys.stdout.write(f"{service}, version {version} (stand-in)\n")
        return 0
    definition: Definition = import_module(f".{service}", __package__).DEFINITION
    try:
        config = load(_source(given), definition.shape(version)) if given.config_file else {}
        behaviour = PROGRAMS[service].versions[version]
        if given.verify:
            return 0
        running = definition.start(Start(version=version, prefix_behaviour=behaviour, config=config))
    except (ConfigError, OSError) as error:
        sys.stderr.write(definition.refusal.format(file=given.config_file, error=error) + "\n")
        return 1
    except StartError as error:
        log("error", f"error running {service}", err=error)
        return 1
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        # The main one, on which it is asked whether it is ready, comes last: who reaches that one reaches all.
        for listener in reversed(running.listeners):
            listen(listener.port, listener.routes)
    except OSError as error:
        log("error", f"error running {service}", err=f"error initialising module: server: listen tcp: {error}")
        return 1
    for work in running.background:
        threading.Thread(target=work, daemon=True).start()
    ports = ",".join(str(listener.port) for listener in running.listeners)
    log("info", f"{service} started", version=version, ports=ports)
    signal.sigwait(STOPPING)
    log("info", "received SIGINT/SIGTERM, stopping")
    return 0


def _version(service: str) -> str:
    chosen = os.environ.get("STANDIN_VERSION", "")
    if IDENTITY.exists():
        chosen = str(json.loads(IDENTITY.read_text())["version"])
    known = PROGRAMS[service].versions
    if chosen not in known:
        raise SystemExit(f"no stand-in for {service} {chosen or '(set STANDIN_VERSION)'}; there are {', '.join(known)}")
    return chosen


def _source(given: flags.Flags) -> str:
    source = Path(given.config_file).read_text()
    return re.sub(r"\$\{(\w+)(?::(-?[^}]*))?\}", _environment, source) if given.expand_env else source


def _environment(found: re.Match[str]) -> str:
    return os.environ.get(found[1]) or (found[2] or "").removeprefix("-")


def run(arguments: list[str]) -> None:
    """Run and leave at once, without waiting for the threads of open connections."""
    code = main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run(sys.argv[1:])
