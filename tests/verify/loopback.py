"""A whole stack on loopback: the sandbox's stand-ins behind one port, which can be made to misbehave."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import yaml

from lgtm_deploy.adapters.http import HttpWeb
from lgtm_deploy.config import stack_file
from lgtm_deploy.core.ports import Login, Ports
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.verify.finding import Finding
from lgtm_deploy.fakes import fake_ports, lay
from lgtm_deploy.sandbox.standins import grafana
from lgtm_deploy.sandbox.standins.catalogue import PROGRAMS
from lgtm_deploy.sandbox.standins.listener import Answer, HttpExchange, HttpServer, Request, Response
from lgtm_deploy.sandbox.standins.standin import StandIn
from lgtm_deploy.steps.verification import Verification
from lgtm_deploy.steps.verification.writing import write

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lgtm-stack"
SERVICES = ("loki", "mimir", "pyroscope", "tempo")
# No delay of the recordings is waited for.
FACTOR = 1e9
LOGIN = Login(headers={"Authorization": "Basic YWRtaW46YWRtaW4="})
RULES = {
    "/api/v1/push": "mimir",
    "/prometheus/": "mimir",
    "/loki/": "loki",
    "/tempo/": "tempo",
    "/pyroscope/": "pyroscope",
}


class Raw(Exception):  # noqa: N818 - no error: an answer that is none
    """Bytes to send in place of an answer, before the connection is closed; or for how long to say nothing."""

    def __init__(self, content: bytes = b"", *, seconds: float = 0.0, reset: bool = False) -> None:
        super().__init__(content)
        self.content, self.seconds, self.reset = content, seconds, reset


Breakage = Callable[[Request, Answer], Response]


def sound(request: Request, answer: Answer) -> Response:
    """No breakage."""
    return answer(request)


@dataclass(kw_only=True)
class Loopback:
    """The running stack: what it is asked, and what is wrong with it."""

    url: str = ""
    breakage: Breakage = sound
    ahead: float = 0.0
    """Seconds by which its clock is ahead."""
    programs: Mapping[str, tuple[Answer, ...]] = field(default_factory=dict)

    def answer(self, request: Request) -> Response:
        """As the load balancer would send it on, unless something is broken."""
        return self.breakage(request, self._sound)

    def _sound(self, request: Request) -> Response:
        if request.path.startswith("/otlp/"):
            return self.programs["tempo"][1](replace(request, path=request.path.removeprefix("/otlp")))
        name = next((name for path, name in RULES.items() if request.path.startswith(path)), "grafana")
        return self.programs[name][0](request)


def started(versions: Mapping[str, str] | None = None) -> dict[str, tuple[Answer, ...]]:
    """Return what answers for each program with the example's own configuration, or in another version."""
    found: dict[str, tuple[Answer, ...]] = {"grafana": (grafana.start(PROGRAMS["grafana"].versions[-1])[0][1],)}
    stack = yaml.safe_load((EXAMPLE / "lgtm-deploy.yaml").read_text())["services"]
    for name in SERVICES:
        file = EXAMPLE / "dockerfiles" / name / "config" / f"{name}-config.yaml"
        version = (versions or {}).get(name, stack[name]["version"])
        standin = StandIn(name, version, yaml.safe_load(file.read_text()), factor=FACTOR)
        # Read now: on a busy machine the first request must not wait for the recordings.
        _ = standin.player
        found[name] = tuple(listener.answer for listener in standin.listeners)
        for path in (f"/{name}/ready", "/ready", f"/{name}/ready", "/ready"):
            # The first probe of readiness starts its clock.
            found[name][0](Request(method="GET", path=path))
    return found


@contextmanager
def on_loopback(stack: Loopback, tls: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    """Serves the stack on a port of its own."""

    class Exchange(HttpExchange):
        table = stack

        def _answer(self) -> None:
            try:
                response = self.table.answer(self.read())
            except Raw as raw:
                self.close_connection = True
                time.sleep(raw.seconds)
                if raw.reset:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    self.wfile.write(raw.content)
                return
            self.send(response)

        def date_time_string(self, timestamp: float | None = None) -> str:
            at = datetime.fromtimestamp(time.time() + stack.ahead, UTC)
            return format_datetime(at, usegmt=True)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _answer  # noqa: N815

    server = HttpServer(("127.0.0.1", 0), Exchange)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    stack.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.socket.getsockname()[1]}"
    try:
        yield stack
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class HurriedClock:
    """The machine's clock, and pauses that only seem to have been."""

    def __init__(self) -> None:
        self._skipped = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        with self._lock:
            return time.monotonic() + self._skipped

    def pause(self, seconds: float) -> None:
        with self._lock:
            self._skipped += seconds


def example(url: str) -> Stack:
    """The example stack, at that URL."""
    stack = stack_file.load(EXAMPLE / "lgtm-deploy.yaml", "sandbox")
    return replace(stack, environment=replace(stack.environment, url=url, endpoint="", traces=f"{url}/otlp"))


def ports_of(stack: Stack, folder: Path, clock: HurriedClock) -> Ports:
    """A cloud in memory, and real requests."""
    cloud = lay(stack)
    cloud.advance(60.0)
    return replace(fake_ports(stack, cloud, folder), web=HttpWeb(), clock=clock)


def found_in(
    stack: Stack,
    folder: Path,
    *,
    change: Callable[[Ports], Ports] = lambda ports: ports,
    login: Login = LOGIN,
    seconds: float = 10.0,
) -> list[Finding]:
    """All findings, by reading and by writing."""
    clock = HurriedClock()
    asking = Verification(
        stack, change(ports_of(stack, folder, clock)), login=login, pause=clock.pause, seconds=seconds
    )
    services = list(stack.services.values())
    return [*asking.read(services), *write(asking, services)]
