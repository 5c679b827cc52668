"""The HTTP server: connections are kept, bodies may be chunked, nonsense is refused."""

from __future__ import annotations

import socket

import httpx


def raw(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request)
        return connection.recv(4096)


def tempo(start, port, other_port):
    otlp = f'distributor: {{receivers: {{otlp: {{protocols: {{http: {{endpoint: "0.0.0.0:{other_port}"}}}}}}}}}}'
    return start("tempo", "2.3.1", f"server: {{http_listen_port: {port}}}\n{otlp}\n")


def test_a_connection_serves_many_requests(start, port, other_port) -> None:
    running = tempo(start, port, other_port)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for _ in range(3):
            connection.sendall(b"GET /api/echo HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(4096).endswith(b"\r\n\r\necho\n")
    assert running.process.poll() is None


def test_a_chunked_body_is_read(start, port, other_port) -> None:
    tempo(start, port, other_port)
    chunks = iter([b'{"resource', b'Spans": []}'])
    url = f"http://127.0.0.1:{other_port}/v1/traces"
    assert httpx.post(url, content=chunks, headers={"content-type": "application/json"}).json() == {
        "partialSuccess": {}
    }


def test_nonsense_is_refused_and_the_server_lives(start, port, other_port) -> None:
    running = tempo(start, port, other_port)
    assert b" 400 " in raw(port, b"GET /api/echo HTTP/1.1\r\nContent-Length: many\r\n\r\n")
    assert b" 400 " in raw(port, b"nonsense\r\n\r\n")
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    # No recording holds it.
    assert (
        httpx.post(f"http://127.0.0.1:{other_port}/v1/traces", content=b"no gzip", headers=headers).status_code == 501
    )
    assert running.client.head("/api/echo").text == ""
    assert running.get("/api/echo").text == "echo\n"
    assert "Traceback" not in running.stop()[1]
