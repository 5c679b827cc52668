"""Requests that the product itself sends, collected from its own code.

`verify` (reading and writing), the smoke test and the `probes` of the example stack run against a server on loopback
that says yes to everything and keeps each request. A recorded exchange is the product's where its request is the same
apart from prefix, times and ids.
"""

import base64
import json
import re
import tempfile
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import cramjam

from bench.replay.recording import Exchange, Recording
from bench.replay.times import binary_offsets, offsets
from lgtm_deploy.adapters.gateway import Gateway
from lgtm_deploy.adapters.http import HttpAsker, HttpStackProbe, HttpWeb
from lgtm_deploy.config import stack_file
from lgtm_deploy.core.errors import DeployError
from lgtm_deploy.core.ports import ContainerSpec, Ports, Progress
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.core.verify.reads import kind_of
from lgtm_deploy.fakes import FakeCloud, FakeImageProbe, fake_ports, lay
from lgtm_deploy.steps.probe_image import Inputs as ImageInputs
from lgtm_deploy.steps.probe_image import ProbeImage
from lgtm_deploy.steps.probe_paths import Inputs as PathInputs
from lgtm_deploy.steps.probe_paths import ProbePaths
from lgtm_deploy.steps.results import BuiltImage
from lgtm_deploy.steps.verification import Verification
from lgtm_deploy.steps.verification.writing import write

Json = dict[str, Any]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lgtm-stack"
SERVERS = ("loki", "mimir", "pyroscope", "tempo")
# Spans have a port of their own.
_OTLP = 4318
_RUN = "5b8aa5a2d2c872e8321cf37308d69df2"
# In this answer each query finds what was written, and each health check what it looks for.
_YES = {
    "status": "success",
    "data": {"result": [{"metric": {"run": _RUN}, "values": [["0", f"run={_RUN}"]]}]},
    "batches": [{}],
    "traces": [{"traceID": _RUN}],
    "labelsSet": [{"labels": [{"name": "run", "value": _RUN}]}],
    "ready": "echo",
}
_LOKI_PUSH = "/loki/api/v1/push"
_ID = re.compile(r"\b(?!0+\b)(?:[0-9a-f]{16}|[0-9a-f]{32})\b")
# The value of the label `run`: the product has an id there, recordings have a word too.
_LABEL = re.compile(r"""\brun=(?:\\?"[^"\\]*\\?"|[^"\\,{}\s]+)""")
# Folded stacks: their number decides nothing.
_STACKS = re.compile(r"(?:\S+ \d+\n)+")
_BINARY_ID = re.compile(rb"[0-9a-f]{32}")
# Headers of the transport, which decide nothing.
_TRANSPORT = {"host", "user-agent", "accept-encoding", "connection", "content-length"}
_ANYTHING = "*/*"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A request that was sent to a server, without its prefix, times and ids."""

    server: str
    method: str
    path: str
    otlp: bool
    arguments: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: str

    def __str__(self) -> str:
        """Return the request in one line."""
        query = "&".join(f"{name}={value}" for name, value in self.arguments)
        tenant = dict(self.headers).get("x-scope-orgid", "none")
        target = f"{self.path}{'?' if query else ''}{query}"
        return " ".join(f"{self.server} {self.method} {target}, tenant {tenant} {self.body}".split())


@dataclass(frozen=True, kw_only=True)
class OwnRequests:
    """The distinct requests of the product, and the prefixes of the stack's services."""

    requests: frozenset[Kept]
    prefixes: Mapping[str, str] = field(default_factory=dict)
    recorded: set[Kept] = field(default_factory=set)

    @classmethod
    def collect(cls) -> "OwnRequests":
        """Run the product's checks against loopback and keep what they send."""
        stack = stack_file.load(EXAMPLE / "lgtm-deploy.yaml", "sandbox")
        services = {str(kind_of(each)): each for each in stack.services.values() if kind_of(each) in SERVERS}
        prefixes = {server: service.prefix.rstrip("/") for server, service in services.items()}
        found = {
            kept(server, request, at, (prefixes[server],), otlp=otlp)
            for server, service in services.items()
            for request, at, otlp in _sent(stack, service)
        }
        return cls(requests=frozenset(found), prefixes=prefixes)

    def counts(self) -> dict[str, int]:
        """Return the number of distinct requests for each server."""
        found = Counter(each.server for each in self.requests)
        return {server: found[server] for server in SERVERS}

    def sends(self, exchange: Exchange, recording: Recording) -> bool:
        """Return true where the product sends this request, and remember that it is recorded."""
        main = recording.main
        base = recording.data.get("base_time_unix_s") or 0
        at = base + exchange.at - main[0].at if main else base
        prefixes = (*recording.prefixes, self.prefixes.get(recording.server, ""))
        otlp = int(exchange.request.get("port", recording.port)) == _OTLP
        request = kept(recording.server, exchange.request, at, prefixes, otlp=otlp)
        if request not in self.requests:
            return False
        self.recorded.add(request)
        return True

    def unrecorded(self, servers: Collection[str]) -> list[str]:
        """Return the product's requests to these servers that no exchange had that was compared so far."""
        return sorted(str(each) for each in self.requests - self.recorded if each.server in servers)


def kept(server: str, request: Json, at: float, prefixes: Sequence[str], *, otlp: bool) -> Kept:
    """Return a request as it is compared. `at` is when it was sent, in seconds since 1970."""
    path, _, query = request["path"].partition("?")
    prefix = next((each for each in prefixes if each and path.startswith(f"{each}/")), "")
    headers = {name.lower(): value for name, value in request.get("headers", {}).items() if value != _ANYTHING}
    return Kept(
        server=server,
        method=request["method"],
        path=_ID.sub(_length, unquote(path.removeprefix(prefix))),
        otlp=otlp,
        arguments=tuple(sorted((name, _text(value, at)) for name, value in parse_qsl(query, keep_blank_values=True))),
        headers=tuple(sorted((name, value) for name, value in headers.items() if name not in _TRANSPORT)),
        body=_body(request, at),
    )


def _length(found: re.Match[str]) -> str:
    return f"<id of {len(found[0])}>"


def _text(text: str, at: float) -> str:
    return _ID.sub(_length, _LABEL.sub("run=<value>", offsets(text, at)))


def _body(request: Json, at: float) -> str:
    data = base64.b64decode(request.get("body_base64", "")) or request.get("body", "").encode()
    with suppress(ValueError):
        return _text(json.dumps(json.loads(data), sort_keys=True), at)
    with suppress(UnicodeDecodeError):
        text = data.decode()
        return "<stacks>" if _STACKS.fullmatch(text) else _text(text, at)
    with suppress(cramjam.DecompressionError):
        data = bytes(cramjam.snappy.decompress_raw(data))
    return _BINARY_ID.sub(b"<id of 32>", binary_offsets(data, at)).decode(errors="backslashreplace")


def _sent(stack: Stack, service: Service) -> Iterator[tuple[Json, float, bool]]:
    """Yield each request to a service, its time, and whether it went to the port for spans."""
    with tempfile.TemporaryDirectory(prefix="replay-") as folder, _listening() as main, _listening() as otlp:
        environment = replace(stack.environment, url=main.url, endpoint="", traces=otlp.url)
        stack = replace(stack, environment=environment)
        cloud = lay(stack)
        ports = replace(
            fake_ports(stack, cloud, Path(folder)),
            web=HttpWeb(),
            image_probe=_Images(cloud, main.url),
            stack_probe=HttpStackProbe(Gateway(lambda: main.url)),
        )
        _verify(stack, service, ports, cloud)
        _try_out(stack, service, ports, cloud)
        ProbePaths(stack, ports).look(PathInputs(service=service.name))
        now = cloud.clock.now().timestamp()
        for server, spans in ((main, False), (otlp, True)):
            for request in server.requests:
                yield request, now, spans


def _verify(stack: Stack, service: Service, ports: Ports, cloud: FakeCloud) -> None:
    verification = Verification(stack, ports, pause=cloud.clock.advance)
    verification.read([service])
    write(verification, [service], _RUN)


def _try_out(stack: Stack, service: Service, ports: Ports, cloud: FakeCloud) -> None:
    source = cloud.sources[(stack.directory / service.context).resolve()]
    cloud.images["sha256:new"] = source.contract
    built = BuiltImage(service=service.name, image="sha256:new", tag="new")
    inputs = ImageInputs(built=built, releases={}, plans={})
    step = ProbeImage(stack, ports)
    # It asks everything before it refuses an image that says yes to everything.
    with suppress(DeployError):
        step.apply(inputs, step.observe(inputs), lambda _: None)


class _Images(FakeImageProbe):
    """Images that are asked over HTTP at one address."""

    def __init__(self, cloud: FakeCloud, url: str) -> None:
        super().__init__(cloud)
        self._url = url

    @contextmanager
    def start(self, image: str, spec: ContainerSpec, port: int, progress: Progress) -> Iterator[Any]:
        """Yield a started image."""
        with super().start(image, spec, port, progress) as running:
            yield _Asked(running, HttpAsker(self._url))


class _Asked:
    """A started image whose requests go over HTTP."""

    def __init__(self, running: Any, asker: HttpAsker) -> None:
        self._running = running
        self.ask = asker.ask

    def __getattr__(self, name: str) -> Any:
        return getattr(self._running, name)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Json] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    """Keeps each request and says yes."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.requests.append(
            {
                "method": self.command,
                "path": self.path,
                "headers": dict(self.headers.items()),
                "body_base64": base64.b64encode(data).decode(),
            }
        )
        empty = self.command == "POST" and self.path.partition("?")[0].endswith(_LOKI_PUSH)
        body = b"" if empty else json.dumps(_YES).encode()
        self.send_response(204 if empty else 200)
        self.send_header("Content-Type", "application/json")
        if not empty:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815 - names of the base class

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@contextmanager
def _listening() -> Iterator[_Server]:
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
