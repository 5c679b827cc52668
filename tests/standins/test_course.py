"""Readiness, failures and stops: their order and their times as recorded, on a clock that the tests move."""

import signal

import pytest

from tests.standins.conftest import InProcess

TENANTS = "multitenancy_enabled: true\n"


def answers(server: InProcess, first: float, seconds: float, path: str = "/ready") -> list[tuple[int, int, str]]:
    """Ask readiness twice a second; return the second, status and first word at each change of the status or word."""
    found: list[tuple[int, int, str]] = []
    for step in range(int(seconds * 2)):
        server.clock.elapsed = first + step / 2
        answer = server.ask(path, tenant=None)
        state = (answer.status, answer.body.decode().split()[0])
        if not found or found[-1][1:] != state:
            found.append((int(server.clock.elapsed), *state))
    return found


@pytest.mark.parametrize(
    ("service", "version", "first", "expected"),
    [
        ("tempo", "2.9.0", 0.5, [(0, 503, "Ingester"), (16, 200, "ready")]),
        ("tempo", "2.9.0", 30.0, [(30, 503, "Ingester"), (45, 200, "ready")]),
        ("tempo", "3.0.3", 1.5, [(1, 200, "ready")]),
        ("loki", "3.5.1", 0.5, [(0, 503, "Some"), (1, 503, "Ingester"), (16, 200, "ready")]),
        ("mimir", "2.16.0", 30.0, [(30, 503, "Ingester"), (45, 200, "ready")]),
        ("pyroscope", "1.13.5", 30.0, [(30, 503, "Ingester"), (45, 200, "ready")]),
        ("pyroscope", "2.0.4", 0.5, [(0, 503, "Metastore"), (17, 503, "Segment"), (47, 200, "ready")]),
        ("pyroscope", "2.0.4", 30.0, [(30, 503, "Metastore"), (46, 503, "Segment"), (76, 200, "ready")]),
    ],
)
def test_readiness_counts_from_the_first_probe(service, version, first, expected) -> None:
    found = answers(InProcess(service, version, TENANTS if service != "loki" else ""), first, 50.0)
    assert [each[1:] for each in found] == [each[1:] for each in expected]
    assert all(abs(one[0] - other[0]) <= 1 for one, other in zip(found, expected, strict=True))


def test_the_factor_shortens_the_wait() -> None:
    server = InProcess("tempo", "2.9.0", "")
    server.server._factor = 10.0
    assert [each[1] for each in answers(server, 0.5, 3.0)] == [503, 200]


def test_a_server_that_is_not_ready_yet_answers_as_recorded_then() -> None:
    server = InProcess("pyroscope", "1.13.5", TENANTS)
    server.clock.elapsed = 1.0
    asked = "/querier.v1.QuerierService/LabelNames", b"{}"
    assert server.ask(*asked).status == 500
    answers(server, 1.0, 20.0)
    assert server.ask(*asked).status == 200


@pytest.mark.parametrize(
    ("service", "version", "path", "seconds"),
    [
        ("tempo", "2.3.1", "/api/search", 30),
        ("tempo", "2.9.0", "/api/echo", 0),
        ("tempo", "2.9.0", "/api/search", None),
        ("tempo", "3.0.3", "/api/echo", 30),
        ("tempo", "3.0.3", "/api/search?limit=1", None),
        ("loki", "3.5.1", "/loki/api/v1/labels", 1),
        ("pyroscope", "2.0.4", "/metrics", 30),
        ("pyroscope", "1.13.5", "/metrics", 0),
    ],
)
def test_sigterm_takes_as_long_as_recorded(service, version, path, seconds) -> None:
    server = InProcess(service, version, TENANTS if service != "loki" else "")
    assert server.ask(path).status == 200
    found = server.server.stop_after()
    assert (found if found is None else round(found)) == seconds


def test_mimir_without_its_storage_accepts_connections_and_answers_nothing() -> None:
    server = InProcess("mimir", "2.16.0", "common: {storage: {backend: s3, s3: {endpoint: '127.0.0.1:9'}}}\n")
    assert server.ask("/ready").hangs
    assert (server.server.course.stop_code, server.server.stop_after()) == (1, 0.0)


def test_pyroscope_2_gets_ready_without_its_storage_and_1_ends() -> None:
    config = "storage: {backend: s3, s3: {endpoint: '127.0.0.1:9'}}\n"
    second = InProcess("pyroscope", "2.0.4", config)
    assert second.server.course.exit is None
    assert answers(second, 0.5, 50.0)[-1] == (49, 200, "ready")
    first = InProcess("pyroscope", "1.13.5", config).server.course
    assert first.exit is not None
    assert (first.exit.code, round(first.exit.after)) == (1, 23)


def test_a_missing_runtime_configuration_is_named(tmp_path) -> None:
    file = tmp_path / "none.yaml"
    course = InProcess("mimir", "2.16.0", f"runtime_config: {{file: {file}}}\n").server.course
    assert course.exit is not None
    assert any(f"open {file}: no such file" in line for line in course.exit.lines)


def test_only_tempo_2_9_0_needs_a_private_address() -> None:
    assert InProcess("tempo", "2.9.0", "", private_address=False).server.course.exit is not None
    assert InProcess("tempo", "2.3.1", "", private_address=False).server.course.exit is None
    assert InProcess("tempo", "3.0.3", "", private_address=False).server.course.exit is None


def test_a_process_stops_with_the_recorded_code(start, port) -> None:
    running = start("loki", "3.5.1", f"auth_enabled: false\nserver: {{http_listen_port: {port}}}\n")
    code, log = running.stop()
    assert code == 0
    assert "received SIGINT/SIGTERM" in log


def test_a_tempo_that_served_a_search_goes_on_after_sigterm(start, port) -> None:
    running = start("tempo", "2.9.0", f"server: {{http_listen_port: {port}}}\n")
    assert running.get("/api/search").status_code == 200
    running.process.send_signal(signal.SIGTERM)
    assert running.get("/api/echo").text == "echo\n"
    assert running.process.poll() is None
