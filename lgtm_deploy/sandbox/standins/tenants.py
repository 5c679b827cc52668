"""Whose data is it? The tenant header, asked for where multitenancy is on."""

from __future__ import annotations

from collections.abc import Callable

from .listener import Handler, Request, Response, text

HEADER = "x-scope-orgid"
ANONYMOUS = "anonymous"

TenantHandler = Callable[[Request, str], Response]


class Tenants:
    """Finds the tenant of a request, or refuses it as dskit's middleware does: 401 `no org id`."""

    def __init__(self, *, required: bool, single: str = ANONYMOUS) -> None:
        self.required = required
        self._single = single

    def of(self, request: Request) -> str | None:
        """The tenant, or None where one is needed and missing."""
        return (request.header(HEADER) or None) if self.required else self._single

    def guard(self, handler: TenantHandler, refusal: Response | None = None) -> Handler:
        """Wrap a handler that needs to know the tenant."""

        def guarded(request: Request) -> Response:
            tenant = self.of(request)
            if tenant is None:
                return refusal or text("no org id\n", 401)
            return handler(request, tenant)

        return guarded
