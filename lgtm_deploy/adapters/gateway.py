"""Requests to the stack through its load balancer: headers that the stack file configures, and trusted certificates."""

import ssl
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import truststore

from lgtm_deploy.core.masks import Masks
from lgtm_deploy.core.request_headers import RequestHeaders, is_own_url

ValueT = TypeVar("ValueT")


def tls(ca_bundle: Path | None = None) -> ssl.SSLContext:
    """Return what trusts the system's certificates and those of the file.

    OpenSSL finds the system's certificates on Linux. Elsewhere, and where it finds none, truststore does. Its context
    loads them for each connection and shakes hands one after the other, which is slow for requests side by side.
    """
    context = ssl.create_default_context() if _openssl_finds_any() else truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_bundle:
        context.load_verify_locations(cafile=ca_bundle)
    return context


def _openssl_finds_any() -> bool:
    if sys.platform != "linux":
        return False
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())))


class Gateway:
    """Adds the configured headers to requests to the stack's own URL, and masks their secret values in answers."""

    def __init__(
        self,
        url: Callable[[], str] = lambda: "",
        headers: RequestHeaders = RequestHeaders(),  # noqa: B008 - frozen
        ca_bundle: Path | None = None,
    ) -> None:
        self._find_url = url
        self._headers = headers
        self._masks = Masks(headers=headers.secrets)
        self.ca_bundle = ca_bundle

    @cached_property
    def url(self) -> str:
        """The stack's own URL. Raises NotFoundError: no load balancer."""
        return self._find_url().rstrip("/")

    def headers(self, url: str, service: str) -> Mapping[str, str]:
        """Return the headers for a request to a service; none where the URL is not the stack's own."""
        found = self._headers.services.get(service, {})
        return found if found and is_own_url(url, self.url) else {}

    def masked(self, value: ValueT) -> ValueT:
        """Return the same with a mask for each secret value in it."""
        return self._masks.masked(value)

    def tls(self) -> ssl.SSLContext:
        """Return what trusts the system's certificates and the environment's own."""
        return tls(self.ca_bundle)
