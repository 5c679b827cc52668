"""Does an answer leave in one piece?

AWS sends the head and the body of a small answer together. Hypercorn sends them apart, and Terraform's AWS SDK
for Go, when it finds the head alone, now and then closes the connection and asks again: it then finds the state
lock that its first request took, and waits for itself (ADR 025 has the figures).
"""

from __future__ import annotations

from typing import Any

import h11  # type: ignore[import-not-found,unused-ignore]
from hypercorn.events import RawData  # type: ignore[import-not-found,unused-ignore]
from hypercorn.protocol.h11 import H11Protocol  # type: ignore[import-not-found,unused-ignore]


def install() -> None:
    """Let the head of every answer wait for what follows it."""
    H11Protocol._send_h11_event = _send_together


async def _send_together(self: Any, event: Any) -> None:
    """Hypercorn's own method, except that the head is kept and put before the next part."""
    try:
        data = self.connection.send(event)
    except h11.LocalProtocolError:
        if self.connection.their_state != h11.ERROR:
            raise
        return
    if isinstance(event, h11.Response):
        self._head = data
    else:
        head = vars(self).pop("_head", b"")
        await self.send(RawData(data=head + (data or b"")))
