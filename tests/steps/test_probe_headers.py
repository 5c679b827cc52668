"""probe-paths asks as the service's users do."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lgtm_deploy.adapters.gateway import Gateway
from lgtm_deploy.adapters.http import HttpStackProbe
from lgtm_deploy.core.gate import Open
from lgtm_deploy.core.request_headers import RequestHeaders
from lgtm_deploy.core.stack import Environment, Header, Probe, Stack
from lgtm_deploy.steps.probe_paths import Inputs, ProbePaths
from tests.adapters.test_web import serving
from tests.stacks import make_service

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
QUERY = "/pyroscope/querier.v1.QuerierService/ProfileTypes"


@pytest.fixture
def asked() -> Iterator[tuple[str, list[bytes]]]:
    with serving(OK) as server:
        yield server


@pytest.mark.parametrize(("tenant", "is_sent"), [(None, True), ("", False)])
def test_a_probe_is_posted_as_the_services_tenant_with_its_headers(
    asked: tuple[str, list[bytes]], tenant: str | None, is_sent: bool
) -> None:
    url, requests = asked
    headers = (Header(name="X-Team", value="profiles"),)
    service = make_service(name="pyroscope", probes=(Probe(path=QUERY, send="{}"),), tenant=tenant, headers=headers)
    environment = Environment(region="r", account="1" * 12, cluster="c", url=url, tenant="demo")
    stack = Stack(name="s", directory=Path(), services={"pyroscope": service}, environment=environment)
    probe = HttpStackProbe(Gateway(lambda: url, RequestHeaders.of(stack, {})))
    ports: Any = SimpleNamespace(stack_probe=probe)
    step = ProbePaths(stack, ports)
    inputs = Inputs(service="pyroscope")

    assert isinstance(step.judge(inputs, step.look(inputs)), Open)
    [request] = requests
    assert request.startswith(f"POST {QUERY} HTTP/1.1\r\n".encode())
    assert request.endswith(b"{}")
    assert b"x-team: profiles" in request.lower()
    assert (b"x-scope-orgid: demo" in request.lower()) is is_sent
