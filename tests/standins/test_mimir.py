"""Mimir's stand-in: remote write in, PromQL selectors out, tenants."""

from __future__ import annotations

import struct
import time

from lgtm_deploy.sandbox.standins.remote_write import decompress

HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


def config(port: int) -> str:
    return f"multitenancy_enabled: true\nserver: {{http_listen_port: {port}}}\n"


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def write_request(labels: dict[str, str], at_ms: int, value: float) -> bytes:
    pairs = b"".join(
        field(1, field(1, name.encode()) + field(2, text.encode())) for name, text in sorted(labels.items())
    )
    sample = varint(1 << 3 | 1) + struct.pack("<d", value) + varint(2 << 3) + varint(at_ms)
    message = field(1, pairs + field(2, sample))
    # A snappy block may consist of literals only.
    chunks = [message[at : at + 60] for at in range(0, len(message), 60)]
    return varint(len(message)) + b"".join(bytes([len(chunk) - 1 << 2]) + chunk for chunk in chunks)


def push(mimir, run: str, value: float = 42.5, **headers: str):
    body = write_request({"__name__": "probe", "run": run}, int(time.time() * 1000), value)
    return mimir.post("/api/v1/push", content=body, headers=HEADERS | headers)


def test_a_written_sample_is_queried(start, port) -> None:
    mimir = start("mimir", "2.16.0", config(port), tenant="demo")
    assert push(mimir, "1").status_code == 200
    answer = mimir.get("/prometheus/api/v1/query", params={"query": 'probe{run="1"}'}).json()
    assert answer["status"] == "success"
    (series,) = answer["data"]["result"]
    assert series["metric"] == {"__name__": "probe", "run": "1"}
    assert series["value"][1] == "42.5"
    assert mimir.post("/prometheus/api/v1/query", data={"query": 'probe{run="2"}'}).json()["data"]["result"] == []
    now = time.time()
    asked = {"query": "probe", "start": str(now - 60), "end": str(now + 60), "step": "15s"}
    matrix = mimir.get("/prometheus/api/v1/query_range", params=asked).json()["data"]
    assert matrix["resultType"] == "matrix"
    assert {value for _, value in matrix["result"][0]["values"]} == {"42.5"}


def test_labels_and_series(start, port) -> None:
    mimir = start("mimir", "2.16.0", config(port), tenant="demo")
    push(mimir, "1")
    assert mimir.get("/prometheus/api/v1/labels").json()["data"] == ["__name__", "run"]
    assert mimir.get("/prometheus/api/v1/label/__name__/values").json()["data"] == ["probe"]
    found = mimir.get("/prometheus/api/v1/series", params={"match[]": '{__name__="probe"}'}).json()["data"]
    assert found == [{"__name__": "probe", "run": "1"}]


def test_tenants_do_not_see_each_other_and_none_is_refused(start, port) -> None:
    mimir = start("mimir", "2.16.0", config(port))
    refused = push(mimir, "1")
    assert (refused.status_code, refused.text.strip()) == (401, "no org id")
    assert push(mimir, "1", **{"X-Scope-OrgID": "a"}).status_code == 200
    assert mimir.get("/prometheus/api/v1/labels", headers={"X-Scope-OrgID": "b"}).json()["data"] == []


def test_malformed_input_is_refused_and_the_server_lives(start, port) -> None:
    mimir = start("mimir", "2.16.0", config(port), tenant="demo")
    for body in (b"", b"\x05abc", b"\xff" * 40, varint(3) + bytes([2 << 2]) + b"\x0a\x7fx"):
        assert mimir.post("/api/v1/push", content=body, headers=HEADERS).status_code == 400
    bad = mimir.get("/prometheus/api/v1/query", params={"query": "rate(probe[5m])"})
    assert (bad.status_code, bad.json()["errorType"]) == (400, "bad_data")
    assert mimir.get("/prometheus/api/v1/labels").status_code == 200


def test_a_snappy_copy_may_overlap_itself() -> None:
    # A literal `a`, then a copy of nine bytes from one byte before (snappy's format_description.txt, 2.2.1).
    assert decompress(b"\x0a\x00a\x15\x01") == b"a" * 10


def test_mimir_starts_without_tenants_where_multitenancy_is_off(start, port) -> None:
    mimir = start("mimir", "2.16.0", f"multitenancy_enabled: false\nserver: {{http_listen_port: {port}}}\n")
    assert push(mimir, "1").status_code == 200
    assert mimir.get("/prometheus/api/v1/labels").json()["data"] == ["__name__", "run"]
