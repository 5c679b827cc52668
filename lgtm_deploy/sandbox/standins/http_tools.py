"""`curl` and `wget` for container health checks, as Grafana's image has them (curl, and BusyBox's wget).

Options that change nothing here are accepted. Exit codes are those of the real programs (curl: man page, "EXIT CODES").
"""

from __future__ import annotations

import getopt
import http.client
import socket
import sys
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

_DEFAULT_SECONDS = 60.0
_MOST_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_WRONG = 400
_CURL_SHORT = "fsSLkIivqo:m:H:X:u:w:d:A:"
_CURL_LONG = (
    "fail fail-with-body silent show-error location insecure head include verbose output= max-time= connect-timeout="
    " retry= retry-delay= retry-connrefused header= request= user= write-out= data= user-agent= noproxy= http1.1"
)
_WGET_SHORT = "cqSO:o:P:Y:U:T:t:n:"
_WGET_LONG = (
    "quiet no-verbose spider server-response output-document= timeout= tries= header= user-agent= post-data="
    " no-check-certificate no-cache no-proxy"
)


class AskError(Exception):
    """No answer; `code` is curl's exit code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(kw_only=True)
class Asked:
    """A request. `follows`: redirects are followed."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    seconds: float = _DEFAULT_SECONDS
    follows: bool = False

    def answer(self) -> tuple[int, bytes, bytes]:
        """Return the status, the head and the body of the answer. Raise AskError."""
        url = self.url if "://" in self.url else f"http://{self.url}"
        for _ in range(_MOST_REDIRECTS):
            status, head, body, place = self._once(url)
            if not (self.follows and place and status in _REDIRECTS):
                return status, head, body
            url = urljoin(url, place)
        raise AskError(47, f"Maximum ({_MOST_REDIRECTS}) redirects followed")

    def _once(self, url: str) -> tuple[int, bytes, bytes, str]:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise AskError(1, f"this stand-in asks http:// URLs only, and not {url}")
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.seconds)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(self.method, path, self.body, self.headers)
            answer = connection.getresponse()
            head = "".join(f"{name}: {value}\r\n" for name, value in answer.getheaders())
            first = f"HTTP/1.1 {answer.status} {answer.reason}\r\n"
            return answer.status, f"{first}{head}\r\n".encode(), answer.read(), answer.getheader("Location", "")
        except socket.gaierror:
            raise AskError(6, f"Could not resolve host: {parts.hostname}") from None
        except TimeoutError:
            raise AskError(28, "Operation timed out") from None
        except http.client.HTTPException:
            raise AskError(52, "Empty reply from server") from None
        except OSError as error:
            raise AskError(7, f"Failed to connect to {parts.hostname} port {parts.port or 80}: {error}") from None
        finally:
            connection.close()


def curl(arguments: list[str]) -> int:
    """Ask a URL as curl does, and return curl's exit code."""
    try:
        options, urls = getopt.gnu_getopt(arguments, _CURL_SHORT, _CURL_LONG.split())
    except getopt.GetoptError as error:
        return _complain("curl", f"{error}", 2)
    given = _named(options)
    if len(urls) != 1:
        return _complain("curl", "this stand-in takes one URL", 2)
    is_head, data = bool(given & {"-I", "--head"}), _last(options, "-d", "--data")
    headers = [value for name, value in options if name in ("-H", "--header")]
    if user := _last(options, "-u", "--user"):
        headers.append(f"Authorization: Basic {b64encode(user.encode()).decode()}")
    method = _last(options, "-X", "--request") or ("HEAD" if is_head else "POST" if data else "GET")
    asked = Asked(
        url=urls[0],
        method=method,
        headers=_headers(headers),
        body=data.encode() if data else None,
        seconds=float(_last(options, "-m", "--max-time", "--connect-timeout") or _DEFAULT_SECONDS),
        follows=bool(given & {"-L", "--location"}),
    )
    try:
        status, head, body = asked.answer()
    except AskError as error:
        is_silent = given & {"-s", "--silent"} and not given & {"-S", "--show-error"}
        return error.code if is_silent else _complain("curl", f"({error.code}) {error}", error.code)
    is_wrong = status >= _WRONG and bool(given & {"-f", "--fail", "--fail-with-body"})
    shown = (head if given & {"-I", "--head", "-i", "--include"} else b"") + body
    if not is_wrong or "--fail-with-body" in given:
        _write(_last(options, "-o", "--output"), shown)
    _write("", (_last(options, "-w", "--write-out")).replace("%{http_code}", str(status)).replace("\\n", "\n").encode())
    return 22 if is_wrong else 0


def wget(arguments: list[str]) -> int:
    """Ask a URL as BusyBox's wget does: 0 for an answer below 400 that could be written, else 1."""
    try:
        options, urls = getopt.gnu_getopt(arguments, _WGET_SHORT, _WGET_LONG.split())
    except getopt.GetoptError as error:
        return _complain("wget", f"{error}", 1)
    if len(urls) != 1:
        return _complain("wget", "this stand-in takes one URL", 1)
    data, is_spider = _last(options, "--post-data"), "--spider" in _named(options)
    asked = Asked(
        url=urls[0],
        method="HEAD" if is_spider else "POST" if data else "GET",
        headers=_headers(value for name, value in options if name == "--header"),
        body=data.encode() if data else None,
        seconds=float(_last(options, "-T", "--timeout") or _DEFAULT_SECONDS),
        follows=True,
    )
    try:
        status, _, body = asked.answer()
        if status >= _WRONG:
            return _complain("wget", f"server returned error: HTTP/1.1 {status}", 1)
        if not is_spider:
            # BusyBox does not write over a file that is there, unless it is named.
            name = _last(options, "-O", "--output-document")
            own = urlsplit(urls[0]).path.rpartition("/")[2] or "index.html"
            _write("" if name == "-" else name or own, body, mode="wb" if name else "xb")
    except (AskError, OSError) as error:
        return _complain("wget", f"{error}", 1)
    return 0


def run(tool: str) -> None:
    """Run one of them with the arguments of the process, and exit."""
    raise SystemExit({"curl": curl, "wget": wget}[tool](sys.argv[1:]))


def _named(options: list[tuple[str, str]]) -> set[str]:
    return {name for name, _ in options}


def _last(options: list[tuple[str, str]], *names: str) -> str:
    return next((value for name, value in reversed(options) if name in names), "")


def _headers(lines: Iterable[str]) -> dict[str, str]:
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _write(file: str, content: bytes, *, mode: str = "wb") -> None:
    if file and file != "-":
        with Path(file).open(mode) as output:
            output.write(content)
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()


def _complain(tool: str, text: str, code: int) -> int:
    sys.stderr.write(f"{tool}: {text}\n")
    return code
