"""Any HTTP request, and what came of it: an answer that can be judged, or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol
from urllib.parse import urlsplit

Trouble = Literal[
    "dns", "refused", "unreachable", "tls", "timeout", "redirect-loop", "truncated", "closed", "not-http", "bad-url"
]


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A request. It is given up after so many `seconds`, however slowly it is being answered.

    `service` is the service of the stack that is asked: its configured request headers are sent along.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 10.0
    service: str = ""


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """An answer. Names of `headers` are in lower case; `seconds` is how long it took, redirects included.

    `body` is at most its first 4 MiB; `whole` says that nothing was left out. `url` is who answered in the end;
    `redirected` tells whether a redirect led there from another path.
    """

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    url: str = ""
    whole: bool = True
    redirected: bool = False


@dataclass(frozen=True, kw_only=True)
class HttpFailure:
    """No answer. `detail` is the cause in the words of whoever noticed it."""

    trouble: Trouble
    detail: str = ""
    seconds: float = 0.0


HttpResult = HttpResponse | HttpFailure


@dataclass(frozen=True, kw_only=True)
class Login:
    """Headers that log in to Grafana; none: nobody gave any.

    `no_sources` says why data sources are not asked whose host has no name in Cloud Map; empty: all are asked.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    no_sources: str = ""


def url_fault(url: str) -> str:
    """Why nothing can be asked at that URL; empty where it can."""
    try:
        parts = urlsplit(url)
        well_formed = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:
        return str(error)
    return "" if well_formed else "it has no host, or is neither http:// nor https://"


class Web(Protocol):
    """Asks over HTTP. May be used by many threads at once."""

    def ask(self, question: HttpRequest) -> HttpResult:
        """Follows redirects of a GET on the same host. Never raises for what the other side does."""
