"""Faults of the network, as the proxy of `make torture` makes them: they come to the adapters as what they are."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from bench.torture import faults
from bench.torture.faults import Faults
from lgtm_deploy.adapters.aws import RENEWALS, Aws, changing
from lgtm_deploy.core.errors import DeployError, ExpiredCredentialsError, InDoubtError, TransientError


class Ecs(BaseHTTPRequestHandler):
    """Answers every call with an empty object, and counts them."""

    asked = 0

    def do_POST(self) -> None:
        Ecs.asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def ecs(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Ecs, "asked", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Ecs) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("kind", "expected", "arrived"),
    [
        ("throttled", TransientError, 0),
        ("error", InDoubtError, 0),
        ("error when done", InDoubtError, 1),
        ("unsent", InDoubtError, 0),
        ("lost", InDoubtError, 1),
        ("expired", ExpiredCredentialsError, 0),
    ],
)
def test_a_fault_is_told_by_kind(ecs: str, kind: str, expected: type[DeployError], arrived: int) -> None:
    with Faults(1, ecs, kinds=(kind,), one_in=1) as proxy, pytest.raises(expected) as found, changing("The update"):
        Aws(region="eu-west-1", endpoint_url=proxy.url).writer("ecs").update_service(service="tempo")

    assert type(found.value) is expected
    assert Ecs.asked == arrived
    # What was refused for expired credentials is sent again with those that are found anew.
    assert proxy.failed == (1 + len(RENEWALS) if kind == "expired" else 1)


def test_credentials_that_expire_for_a_moment_are_no_failure(ecs: str) -> None:
    class ExpiredTwice(Faults):
        def drawn(self) -> str:
            return super().drawn() if self.failed < 2 else ""

    with ExpiredTwice(1, ecs, kinds=("expired",), one_in=1) as proxy:
        aws = Aws(region="eu-west-1", endpoint_url=proxy.url)
        aws.writer("ecs").update_service(service="tempo")
        aws.reader("ecs").describe_services(services=["tempo"])

    assert (proxy.failed, Ecs.asked) == (2, 2)


def test_a_stalled_call_is_answered_in_the_end(ecs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "STALL_SECONDS", 0.2)
    with Faults(1, ecs, kinds=("stalled",), one_in=1) as proxy:
        Aws(region="eu-west-1", endpoint_url=proxy.url).writer("ecs").update_service(service="tempo")

    assert Ecs.asked == proxy.failed == 1


def test_one_call_in_five_has_a_fault(ecs: str) -> None:
    with Faults(1, ecs, kinds=("throttled",)) as proxy:
        client = Aws(region="eu-west-1", endpoint_url=proxy.url).writer("ecs")
        for _ in range(100):
            try:
                with changing("The update"):
                    client.update_service(service="tempo")
            except TransientError:
                pass

    assert Ecs.asked == 100 - proxy.failed
    assert 10 <= proxy.failed <= 30
