"""The stand-in of Grafana: health, a login page for unknown paths, annotations, and data sources.

Nothing of it is recorded: its rules are those of Grafana's HTTP API documentation.
"""

from __future__ import annotations

import base64
import configparser
import hmac
import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from .data_sources import DataSource, check_health
from .listener import Answer, Request, Response, document, text

PORT = 3000
# Grafana's own variables, and what its image sets them to.
CONFIG_FILE = Path(os.environ.get("GF_PATHS_CONFIG") or "/etc/grafana/grafana.ini")
PROVISIONING = Path(os.environ.get("GF_PATHS_PROVISIONING") or "/etc/grafana/provisioning")
_LOGIN_PAGE = b"""<!DOCTYPE html>
<html lang="en-US"><head><meta charset="utf-8"><title>Grafana</title><base href="/"></head>
<body class="theme-dark app-grafana"><div class="preloader">Loading Grafana</div></body></html>
"""


class Annotations:
    """Annotations by id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[int, dict[str, Any]] = {}
        self._last = 0

    def create(self, request: Request) -> Response:
        """`POST /api/annotations`."""
        content = _json(request)
        if not content.get("text"):
            return document({"message": "Failed to save annotation"}, 400)
        with self._lock:
            self._last += 1
            now = int(time.time() * 1000)
            begin = int(content.get("time") or now)
            self._kept[self._last] = {
                "id": self._last, "text": content["text"], "tags": content.get("tags") or [], "time": begin,
                "timeEnd": int(content.get("timeEnd") or begin), "created": now, "updated": now, "login": "admin",
            }  # fmt: skip
            return document({"id": self._last, "message": "Annotation added"})

    def find(self, request: Request) -> Response:
        """`GET /api/annotations?tags=…&from=…&to=…&limit=…`."""
        tags = set(request.arguments("tags"))
        begin, end = (int(request.argument(key) or default) for key, default in (("from", 0), ("to", 1 << 62)))
        with self._lock:
            found = [one for one in self._kept.values() if tags <= set(one["tags"]) and begin <= one["time"] <= end]
        return document(
            sorted(found, key=lambda one: one["time"], reverse=True)[: int(request.argument("limit") or 100)]
        )

    def get(self, request: Request) -> Response:
        """`GET /api/annotations/<id>`."""
        with self._lock:
            kept = self._kept.get(_number(request.name))
        return document(kept) if kept else document({"message": "Annotation not found"}, 404)

    def delete(self, request: Request) -> Response:
        """`DELETE /api/annotations/<id>`."""
        with self._lock:
            kept = self._kept.pop(_number(request.name), None)
        return (
            document({"message": "Annotation deleted"}) if kept else document({"message": "Annotation not found"}, 404)
        )


def start(version: str) -> list[tuple[int, Answer]]:
    """Start one Grafana; return its port and what answers there."""
    settings = _Settings()
    annotations, sources = Annotations(), _provisioned()
    guard = _guard(settings.user, settings.password)
    health = {"commit": "standin", "database": "ok", "version": version}
    # Grafana HTTP API: "Other", "Annotations", "Data source", "Organization".
    routes: list[tuple[str, str, Answer]] = [
        ("GET", "/api/health", lambda _: document(health)),
        ("GET", "/login", lambda _: Response(body=_LOGIN_PAGE, kind="text/html; charset=UTF-8")),
        ("GET", "/robots.txt", lambda _: text("User-agent: *\nDisallow: /\n")),
        ("POST", "/api/annotations", guard(annotations.create)),
        ("GET", "/api/annotations", guard(annotations.find)),
        ("GET", "/api/annotations/([^/]+)", guard(annotations.get)),
        ("DELETE", "/api/annotations/([^/]+)", guard(annotations.delete)),
        ("GET", "/api/datasources", guard(lambda _: document([one.described() for one in sources]))),
        ("GET", "/api/datasources/uid/([^/]+)", guard(_of_source(sources, lambda one: document(one.described())))),
        ("GET", "/api/datasources/uid/([^/]+)/health", guard(_of_source(sources, check_health))),
        ("GET", "/api/org", guard(lambda _: document({"id": 1, "name": "Main Org."}))),
    ]

    def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        for wanted, pattern, handler in routes:
            if wanted == method and (found := re.fullmatch(pattern, request.path)):
                return handler(replace(request, name=found[1] if found.groups() else ""))
        return _unknown(request)

    return [(settings.port, answer)]


class _Settings:
    def __init__(self) -> None:
        file = configparser.RawConfigParser(strict=False)
        if CONFIG_FILE.exists():
            file.read_string("[DEFAULT]\n" + CONFIG_FILE.read_text())

        def value(section: str, key: str, default: str) -> str:
            return os.environ.get(f"GF_{section}_{key}".upper()) or str(file.get(section, key, fallback=default))

        self.port = int(value("server", "http_port", str(PORT)))
        self.user = value("security", "admin_user", "admin")
        self.password = value("security", "admin_password", "admin")


def _guard(user: str, password: str) -> Callable[[Answer], Answer]:
    wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def guard(handler: Answer) -> Answer:
        def guarded(request: Request) -> Response:
            given = request.header("authorization")
            if not given:
                return document(
                    {"message": "Unauthorized", "statusCode": 401, "extra": None, "messageId": "auth.unauthorized"}, 401
                )
            if not hmac.compare_digest(given, wanted):
                return document(
                    {"message": "Invalid username or password", "messageId": "password-auth.failed", "statusCode": 401},
                    401,
                )
            return handler(request)

        return guarded

    return guard


def _unknown(request: Request) -> Response:
    # Grafana answers for whatever no other rule of the load balancer took: a redirect to a login page that is 200.
    if request.path.startswith("/api/"):
        return document({"message": "Not found"}, 404)
    if request.method not in {"GET", "HEAD"}:
        return text("", 404)
    headers = {
        "Location": "/login",
        "Set-Cookie": f"redirect_to={quote(request.path, safe='')}; Path=/; HttpOnly; SameSite=Lax",
    }
    return Response(status=302, body=b'<a href="/login">Found</a>.\n', kind="text/html; charset=utf-8", headers=headers)


def _provisioned() -> list[DataSource]:
    found: list[DataSource] = []
    for path in sorted((PROVISIONING / "datasources").glob("*.y*ml")):
        source = re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda one: os.environ.get(one[1] or one[2], ""), path.read_text())
        for entry in (yaml.safe_load(source) or {}).get("datasources") or []:
            found.append(DataSource.of(entry, number=len(found) + 1))
    return found


def _of_source(sources: list[DataSource], answer: Callable[[DataSource], Response]) -> Answer:
    def handle(request: Request) -> Response:
        source = next((one for one in sources if one.uid == request.name), None)
        return answer(source) if source else document({"message": "Data source not found"}, 404)

    return handle


def _json(request: Request) -> Mapping[str, Any]:
    try:
        content = json.loads(request.body or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _number(name: str) -> int:
    return int(name) if name.isdigit() else 0
