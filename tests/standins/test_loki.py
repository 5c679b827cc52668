"""Loki's stand-in: lines in and out, labels, tenants."""

from __future__ import annotations

import gzip
import json
import time


def config(port: int) -> str:
    return f"auth_enabled: true\nserver: {{http_listen_port: {port}}}\n"


def push(at: int, run: str = "1") -> dict[str, object]:
    # The example of Loki's HTTP API reference, "Ingest logs".
    return {
        "streams": [
            {"stream": {"app": "probe", "run": run}, "values": [[str(at), "first line"], [str(at + 1), "second"]]}
        ]
    }


def test_lines_come_back_by_selector_and_filter(start, port) -> None:
    loki = start("loki", "3.5.1", config(port), tenant="demo")
    now = time.time_ns()
    assert loki.post("/loki/api/v1/push", json=push(now)).status_code == 204
    asked = {"query": '{app="probe"} |= "first"', "start": str(now - 10**9), "end": str(now + 10**9)}
    answer = loki.get("/loki/api/v1/query_range", params=asked).json()
    assert answer["status"] == "success"
    assert answer["data"]["resultType"] == "streams"
    assert answer["data"]["result"] == [{"stream": {"app": "probe", "run": "1"}, "values": [[str(now), "first line"]]}]
    assert loki.get("/loki/api/v1/query_range", params={"query": '{app="other"}'}).json()["data"]["result"] == []


def test_newest_lines_come_first_unless_asked_forward(start, port) -> None:
    loki = start("loki", "3.5.1", config(port), tenant="demo")
    loki.post("/loki/api/v1/push", json=push(time.time_ns()))
    for direction, first in (("backward", "second"), ("forward", "first line")):
        asked = {"query": '{run=~"1|2"}', "direction": direction, "limit": "1"}
        values = loki.get("/loki/api/v1/query_range", params=asked).json()["data"]["result"][0]["values"]
        assert [line for _, line in values] == [first]


def test_labels_values_and_series(start, port) -> None:
    loki = start("loki", "3.5.1", config(port), tenant="demo")
    body = gzip.compress(json.dumps(push(time.time_ns())).encode())
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    assert loki.post("/loki/api/v1/push", content=body, headers=headers).status_code == 204
    assert loki.get("/loki/api/v1/labels").json()["data"] == ["app", "run"]
    assert loki.get("/loki/api/v1/label/run/values").json()["data"] == ["1"]
    assert loki.get("/loki/api/v1/series", params={"match[]": '{app="probe"}'}).json()["data"] == [
        {"app": "probe", "run": "1"}
    ]


def test_tenants_do_not_see_each_other_and_none_is_refused(start, port) -> None:
    loki = start("loki", "3.5.1", config(port))
    refused = loki.get("/loki/api/v1/labels")
    assert (refused.status_code, refused.text.strip()) == (401, "no org id")
    assert loki.post("/loki/api/v1/push", json=push(1), headers={"X-Scope-OrgID": "a"}).status_code == 204
    assert loki.get("/loki/api/v1/labels", headers={"X-Scope-OrgID": "b"}).json()["data"] == []


def test_malformed_input_is_refused_and_the_server_lives(start, port) -> None:
    loki = start("loki", "3.5.1", config(port), tenant="demo")
    assert loki.post("/loki/api/v1/push", json={"streams": [{"stream": {}, "values": [["x"]]}]}).status_code == 400
    assert loki.get("/loki/api/v1/query_range", params={"query": "{app="}).status_code == 400
    assert loki.get("/loki/api/v1/query_range", params={"query": '{app="x"} | json'}).status_code == 400
    assert loki.get("/loki/api/v1/query_range", params={"query": '{app="x"}', "start": "soon"}).status_code == 400
    assert loki.get("/loki/api/v1/labels").status_code == 200
