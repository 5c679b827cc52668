"""A stand-in that runs as a process of its own, and the requests to it."""

import base64
import http.client
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from bench.replay.recording import Recording
from lgtm_deploy.sandbox.ports import free_port

Json = dict[str, Any]

SANDBOX = Path(__file__).resolve().parents[2] / "lgtm_deploy" / "sandbox"
COMMAND = (sys.executable, "-m", "standins")
RECORDINGS_VARIABLE = "STANDIN_RECORDINGS"
# A request without a recorded hang gets this long: a busy machine answers late. Seconds.
PATIENCE = 10.0
# The headers of an answer that are compared or explain a difference.
_KEPT_HEADERS = ("content-type", "location")
_LOCK = threading.Lock()
_GIVEN: set[int] = set()


class StandIn:
    """A started stand-in of a recording's version, configuration and flags.

    `factor` divides each delay. `recordings` is a folder to play in place of the project's own.
    """

    def __init__(
        self, recording: Recording, *, factor: float, recordings: Path | None = None, command: Sequence[str] = COMMAND
    ) -> None:
        self._resources = ExitStack()
        folder = Path(self._resources.enter_context(tempfile.TemporaryDirectory(prefix="replay-")))
        flags = [self._flag(flag, folder, recording) for flag in recording.data["flags"]]
        self.ports = dict(zip(recording.ports, _free_ports(len(recording.ports)), strict=True))
        self._port = recording.port
        loopback = recording.data["config_name"] == "no-private-address"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SANDBOX),
            "PYTHONUNBUFFERED": "1",
            "STANDIN_VERSION": str(recording.data["version"]),
            "STANDIN_FACTOR": f"{factor:g}",
            "STANDIN_PORTS": ",".join(f"{configured}={real}" for configured, real in self.ports.items()),
            "STANDIN_ADDRESSES": "loopback" if loopback else "private",
            **({RECORDINGS_VARIABLE: str(recordings)} if recordings else {}),
        }
        self._out = folder / "out"
        with self._out.open("wb") as out:
            self._started = time.monotonic()
            self.process = subprocess.Popen(
                [*command, recording.server, *flags],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment,
                cwd=folder,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        with _LOCK:
            _GIVEN.difference_update(self.ports.values())
        self._resources.close()

    def elapsed(self) -> float:
        """Return seconds since the start."""
        return time.monotonic() - self._started

    def sleep_until(self, moment: float) -> None:
        """Sleep until a moment in seconds since the start."""
        time.sleep(max(0.0, moment - self.elapsed()))

    def log(self) -> list[str]:
        """Return the lines that it wrote. The path of its configuration is the recorded one."""
        text = self._out.read_text(errors="replace")
        return text.replace(self._config[0], self._config[1]).splitlines()

    def ask(self, request: Json, timeout: float = PATIENCE) -> Json:
        """Send a request over a fresh connection; return the answer as a recording keeps it. Status 0 is no answer."""
        body = base64.b64decode(request.get("body_base64", "")) or request.get("body", "").encode()
        port = self.ports[int(request.get("port", self._port))]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.putrequest(request["method"], request["path"], skip_accept_encoding=True)
            for name, value in request.get("headers", {}).items():
                connection.putheader(name, value)
            if body or request["method"] in ("POST", "PUT"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return _response(answer, answer.read())
        except ConnectionRefusedError:
            return _nothing("does not listen")
        except (OSError, http.client.HTTPException) as error:
            return _nothing(f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def stop(self, limit: float) -> tuple[int | None, float]:
        """Send SIGTERM and wait. Return the exit code, None where it still runs after `limit` seconds, and the wait."""
        begun = time.monotonic()
        self.process.terminate()
        try:
            code: int | None = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        return code, time.monotonic() - begun

    def _flag(self, flag: str, folder: Path, recording: Recording) -> str:
        """Return a flag. That of the configuration names a file which holds it."""
        name, _, value = flag.partition("=")
        if name.lstrip("-") != "config.file":
            return flag
        file = folder / Path(value).name
        file.write_text(recording.data["config_yaml"], encoding="utf-8")
        self._config = (str(file), value)
        return f"{name}={file}"


def _response(answer: http.client.HTTPResponse, data: bytes) -> Json:
    kept: Json = {"status": answer.status}
    kept["headers"] = {name: value for name in _KEPT_HEADERS if (value := answer.getheader(name)) is not None}
    try:
        return {**kept, "body": data.decode()}
    except UnicodeDecodeError:
        return {**kept, "body_base64": base64.b64encode(data).decode()}


def _nothing(error: str) -> Json:
    return {"status": 0, "headers": {}, "body": "", "error": error}


def _free_ports(count: int) -> list[int]:
    """Return ports on which nothing listens, and which no other stand-in of this process was given."""
    with _LOCK:
        found = []
        for _ in range(count):
            found.append(free_port(_GIVEN))
            _GIVEN.add(found[-1])
        return found
