"""The rules that make an unrecorded configuration out of recorded ones: prefixes and tenants."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .listener import NOT_FOUND, Request, Response

TENANT_HEADER = "x-scope-orgid"
# The setting that asks for tenants, its default [doc], and the tenant without it (loki-3.5.1-no-auth; [doc]).
_TENANCY = {
    "tempo": ("multitenancy_enabled", False, "single-tenant"),
    "pyroscope": ("multitenancy_enabled", False, "anonymous"),
    "loki": ("auth_enabled", True, "fake"),
    "mimir": ("multitenancy_enabled", True, "anonymous"),
}
# Paths that Tempo's `http_api_prefix` moves (tempo-2.9.0-api-prefix, tempo-3.0.3-api-prefix).
_API = re.compile(r"/api(/.*)?|/status/usage-stats")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything in a config file that decides where and for whom a server answers."""

    service: str
    version: str
    path_prefix: str
    api_prefix: str
    tenants: bool

    @classmethod
    def of(cls, service: str, version: str, config: Mapping[str, Any]) -> Settings:
        """Read the settings of a parsed config file."""
        key, default, _ = _TENANCY[service]
        asked = config.get(key)
        return cls(
            service=service,
            version=version,
            path_prefix=str((config.get("server") or {}).get("http_path_prefix") or "").rstrip("/"),
            api_prefix=str(config.get("http_api_prefix") or "").rstrip("/") if service == "tempo" else "",
            tenants=default if asked is None else bool(asked),
        )

    @property
    def nobody(self) -> str:
        """The tenant of every request where tenants are not asked for."""
        return _TENANCY[self.service][2]

    def locate(self, path: str) -> str | Response:
        """Return the path as it is without any prefix, or the answer of a path that has no route."""
        clean = posixpath.normpath(path) + "/" * (path.endswith("/") and path.strip("/") != "")
        if clean.replace("//", "/") != path:
            # Every file: `GET //ready, demo`.
            return Response(status=301, kind="", headers={"Location": clean.replace("//", "/")})
        if self.path_prefix:
            if not path.startswith(f"{self.path_prefix}/"):
                return NOT_FOUND
            path = path.removeprefix(self.path_prefix)
            if self._loses_routes() and path != "/metrics":
                return NOT_FOUND
        return self._without_api_prefix(path)

    def _loses_routes(self) -> bool:
        # tempo-2.9.0-path-prefix and tempo-3.0.3-path-prefix: nothing but <prefix>/metrics. 2.3.1 serves all.
        return self.service == "tempo" and self.version != "2.3.1"

    def _without_api_prefix(self, path: str) -> str | Response:
        if not self.api_prefix:
            return path
        inner = path.removeprefix(self.api_prefix)
        if inner != path and _API.fullmatch(inner):
            return inner
        if path == "/status/usage-stats":
            # tempo-2.9.0-api-prefix, tempo-3.0.3-api-prefix: the connection closes without an answer.
            return Response(drops=True)
        return NOT_FOUND if _API.fullmatch(path) else path

    def adapt(self, logical: str, response: Response, *, prefixed: bool) -> Response:
        """Return an answer that was recorded without a path prefix (unless `prefixed`) as it is under one."""
        if not self.path_prefix or prefixed:
            return response
        if self.service == "pyroscope" and logical.startswith("/api/"):
            # pyroscope-2.0.4-path-prefix: `GET /pyroscope/api/v1/status/buildinfo, demo`; 1.13.5 likewise.
            body = b'{"code":5, "message":"Not Found", "details":[]}'
            return Response(status=404, body=body, kind="application/json")
        if response.status == 405 and "allow" not in response.headers and self._hides_methods():  # noqa: PLR2004
            return NOT_FOUND
        return response

    def _hides_methods(self) -> bool:
        # loki-, mimir-, pyroscope-2.0.4-wrong-methods-path-prefix: 404; pyroscope-1.13.5- and tempo-…: 405.
        return self.service in {"loki", "mimir"} or (self.service == "pyroscope" and self.version != "1.13.5")

    def audience(self, request: Request) -> tuple[str, tuple[str, ...]]:
        """Return the kind of tenant that a request names, and the tenants whose data it may see."""
        given = request.headers.get(TENANT_HEADER)
        if not self.tenants:
            return "one", (self.nobody,)
        if not given:
            return "none" if given is None else "empty", ()
        names = given.split("|")
        if len(names) > 1:
            # tempo-2.3.1-plain `by id of demo, tenant demo|another`: one tenant of that name.
            return "many", tuple(names) if self._joins_tenants() else (given,)
        if given in {".", ".."}:
            return "dots", (given,)
        if len(given) > 150:  # noqa: PLR2004 - `tenant 151 characters` in every file
            return "long", (given,)
        return ("one" if re.fullmatch(r"[A-Za-z0-9!\-_.*'()]+", given) else "odd"), (given,)

    def _joins_tenants(self) -> bool:
        return self.version not in {"2.3.1", "1.13.5"}
