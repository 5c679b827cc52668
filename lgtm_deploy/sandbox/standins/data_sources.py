"""Health of a data source, asked over HTTP as Grafana's own health check asks it."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .listener import Response, document

TIMEOUT_SECONDS = 3.0
# What Grafana's plug-ins ask, by data source type, and what the answer has to hold.
_QUESTIONS = {
    "prometheus": ("/api/v1/query?query=1%2B1", "success"),
    "loki": ("/loki/api/v1/query?query=vector(1)%2Bvector(1)", "success"),
    "tempo": ("/api/echo", "echo"),
    "grafana-pyroscope-datasource": ("/querier.v1.QuerierService/ProfileTypes", ""),
}


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """One provisioned data source."""

    number: int
    uid: str
    name: str
    type: str
    url: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, entry: Mapping[str, Any], number: int) -> DataSource:
        """Read an entry of a provisioning file; its headers are `httpHeaderName<n>` and `httpHeaderValue<n>`."""
        plain, secret = entry.get("jsonData") or {}, entry.get("secureJsonData") or {}
        headers = {
            str(value): str(secret.get(key.replace("Name", "Value"), ""))
            for key, value in plain.items()
            if key.startswith("httpHeaderName")
        }
        name = str(entry["name"])
        return cls(
            number=number, uid=str(entry.get("uid") or name.lower()), name=name, type=str(entry["type"]),
            url=str(entry.get("url", "")), headers=headers,
        )  # fmt: skip

    def described(self) -> dict[str, Any]:
        """As `/api/datasources` lists it."""
        return {
            "id": self.number, "uid": self.uid, "orgId": 1, "name": self.name, "type": self.type, "access": "proxy",
            "url": self.url, "basicAuth": False, "isDefault": self.number == 1, "readOnly": True,
            "jsonData": {f"httpHeaderName{at}": name for at, name in enumerate(self.headers, 1)},
        }  # fmt: skip


def check_health(source: DataSource) -> Response:
    """`GET /api/datasources/uid/<uid>/health`: 200 with status OK, or 400 with status ERROR and the reason."""
    question, expected = _QUESTIONS.get(source.type, ("/", ""))
    try:
        status, body = _ask(source, question)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return document({"status": "ERROR", "message": f"{type(error).__name__}: {error}"}, 400)
    if status != http.client.OK or expected not in body:
        return document({"status": "ERROR", "message": f"{source.url}{question} answered {status}: {body[:200]}"}, 400)
    return document({"status": "OK", "message": "Data source is working"})


def _ask(source: DataSource, question: str) -> tuple[int, str]:
    parts = urlsplit(source.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_SECONDS)
    try:
        method, body = ("POST", b"{}") if question.startswith("/querier.") else ("GET", None)
        headers = {**source.headers, "Content-Type": "application/json"} if body else dict(source.headers)
        connection.request(method, parts.path.rstrip("/") + question, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except socket.gaierror as error:
        raise OSError(f"lookup {parts.hostname}: no such host") from error
    finally:
        connection.close()
