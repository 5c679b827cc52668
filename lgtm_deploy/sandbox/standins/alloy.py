"""The stand-in of Alloy: readiness, health, and a receiver that takes what it is sent.

Nothing of it is recorded, and its configuration is not read. Its rules are those of Alloy's documentation ("HTTP API").
"""

from __future__ import annotations

from .listener import Answer, Request, Response, document, text

PORT = 12345
OTLP_PORT = 4318


def start(version: str) -> list[tuple[int, Answer]]:
    """Start one Alloy; return its ports and what answers there."""
    pages = {
        "/-/ready": "Alloy is ready.\n",
        "/-/healthy": "All Alloy components are healthy.\n",
        "/metrics": f'# TYPE alloy_build_info gauge\nalloy_build_info{{version="{version}"}} 1\n',
    }

    def answer(request: Request) -> Response:
        page = pages.get(request.path)
        return text(page) if page and request.method == "GET" else text("404 page not found\n", 404)

    return [(OTLP_PORT, _receive), (PORT, answer)]


def _receive(request: Request) -> Response:
    known = request.path in {"/v1/traces", "/v1/logs", "/v1/metrics"}
    return document({"partialSuccess": {}}) if known and request.method == "POST" else text("", 404)
