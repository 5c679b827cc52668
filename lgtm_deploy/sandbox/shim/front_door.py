"""How do plain HTTP clients on this machine reach the load balancer?"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import parse_qs

from hypercorn.asyncio import serve  # type: ignore[import-not-found,unused-ignore]
from hypercorn.config import Config  # type: ignore[import-not-found,unused-ignore]
from ministack import app as ministack_app
from ministack.core.responses import StreamingResponse
from ministack.services import alb

from .settings import Settings

log = logging.getLogger("shim.front_door")
NO_BALANCER = (503, {"Content-Type": "text/plain"}, b"There is no application load balancer yet.\n")
HTTP = 80


class FrontDoor:
    """An HTTP server of its own that hands every request to the one application load balancer."""

    def __init__(self, settings: Settings) -> None:
        """Listen on ``settings.alb_port``."""
        self._settings = settings

    async def serve(self, shutdown: Any) -> None:
        """Serve until the awaitable that ``shutdown()`` returns is done."""
        config = Config()
        config.bind = [f"{self._settings.bind_host}:{self._settings.alb_port}"]
        config.keep_alive_timeout = 75
        config.include_server_header = False
        config.include_date_header = False
        await serve(self, config, shutdown_trigger=shutdown)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one ASGI connection."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        balancer = next((lb for lb in alb._lbs.values() if lb.get("Type") == "application"), None)
        if balancer is None:
            await ministack_app._send_response(send, *NO_BALANCER, head=scope["method"] == "HEAD")
            return
        query = scope.get("query_string", b"").decode("latin-1")
        status, headers, body = await alb.dispatch_request(
            balancer,
            scope["method"],
            scope["path"],
            _headers(scope),
            await _body(receive),
            parse_qs(query, keep_blank_values=True),
            HTTP,
            client_ip=(scope.get("client") or ("127.0.0.1",))[0],
            raw_query_string=query,
            raw_path=scope["raw_path"].partition(b"?")[0].decode("latin-1"),
        )
        if isinstance(body, StreamingResponse):
            await ministack_app._send_streaming_response(send, receive, status, headers, body)
        else:
            await ministack_app._send_response(send, status, headers, body, head=scope["method"] == "HEAD")


def _headers(scope: Any) -> dict[str, str]:
    """Header lines by lower-case name; a repeated header becomes one comma-joined value (RFC 9110, 5.2)."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}{'; ' if key == 'cookie' else ', '}{text}" if key in headers else text
    return headers


async def _body(receive: Any) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body.extend(message.get("body", b""))
        if not message.get("more_body"):
            return bytes(body)


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
