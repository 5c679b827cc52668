"""Answers of real servers, played to what `verify` asks."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import lgtm_deploy
from lgtm_deploy.core.ports import HttpFailure, HttpRequest, HttpResponse, HttpResult
from tests.verify.loopback import HurriedClock

RECORDINGS = Path(lgtm_deploy.__file__).parent / "sandbox" / "standins" / "recordings"
RUN = "5b8aa5a2d2c872e8321cf37308d69df2"
# Of the many writes of a recording, those that are as ours.
_WRITES = ("push", "OTLP: write", "ingest: lgtm.verify.cpu{run=plain}")
_TIMES = ("start", "end", "from", "until")
_DAY = 86_400_000
TENANT = "X-Scope-OrgID"


def recording(name: str) -> dict[str, Any]:
    """A recording by the name of its file."""
    content: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return content


def exchange(name: str, exchange_name: str) -> dict[str, Any]:
    """One exchange of a recording."""
    [found] = [each for each in recording(name)["exchanges"] if each["name"] == exchange_name]
    return dict(found)


def reply(exchanged: Mapping[str, Any], url: str = "") -> HttpResult:
    """The recorded answer."""
    response = exchanged["response"]
    if response["status"] == 0:
        return HttpFailure(trouble="timeout", detail=response["error"])
    body = response.get("body")
    if body is None:
        body = base64.b64decode(response.get("body_base64", "")).decode(errors="replace")
    if "body_cut_from" in response and ',"stats":' in body:
        # Loki's statistics are longer than what was recorded of an answer.
        body = body.partition(',"stats":')[0] + "}}"
    headers = {**response.get("headers", {}), **response.get("other_headers", {})}
    return HttpResponse(status=response["status"], body=body, headers=headers, url=url, seconds=0.01)


def _key(method: str, url: str, body: str, tenant: str | None, port: int | None) -> tuple[object, ...]:
    """What is asked, without times."""
    parts = urlsplit(url)
    query = sorted((name, value) for name, value in parse_qsl(parts.query) if name not in _TIMES)
    asked: object = ""
    if "/querier.v1." in parts.path and body:
        content = json.loads(body)
        if not isinstance(content, dict):
            raise ValueError("no object")
        start, end = content.pop("start", None), content.pop("end", None)
        within_a_day = isinstance(start, int) and isinstance(end, int) and 0 < end - start <= _DAY
        asked = json.dumps({**content, "times": "a day" if within_a_day else [start, end]}, sort_keys=True)
    return (method, parts.path, tuple(query), asked, tenant, port)


class RecordedWeb:
    """Answers as a recorded server did. What was not recorded is an error. `tenants` says that they are told apart.

    A record is there after as many seconds as it took the server.
    """

    def __init__(self, name: str, clock: HurriedClock, *, tenants: bool = True, also: tuple[Any, ...] = ()) -> None:
        self._clock = clock
        self._tenants = tenants
        self._known: dict[tuple[object, ...], list[dict[str, Any]]] = {}
        self._since: dict[tuple[object, ...], float] = {}
        self.asked: list[HttpRequest] = []
        for each in recording(name)["exchanges"]:
            request = each["request"]
            writes = request["method"] == "POST" and request["path"].partition("?")[0].endswith(("/push", "v1/traces"))
            if each["name"].startswith("early:") or (writes and each["name"] not in _WRITES):
                continue
            try:
                key = self._key(
                    request["method"],
                    request["path"],
                    request.get("body", ""),
                    request["headers"].get(TENANT),
                    request.get("port"),
                )
            except ValueError:
                # A request that is malformed on purpose.
                continue
            self._known.setdefault(key, []).append(each)
        for question, exchanged in also if tenants else ():
            self._known[self._of(question)] = [exchanged]

    def ask(self, question: HttpRequest) -> HttpResult:
        self.asked.append(question)
        key = self._of(question)
        assert key in self._known, f"not recorded: {key}"
        return reply(self._now(key, question), question.url)

    def _now(self, key: tuple[object, ...], question: HttpRequest) -> dict[str, Any]:
        now = self._clock.monotonic()
        found = self._known[key]
        looks = [each for each in found if each["name"].endswith(" look")]
        if not looks:
            return found[0]
        first, last = looks[0], looks[-1]
        waited = now - self._since.setdefault(key, now)
        after = last.get("found_after_s")
        answer = last if after is not None and waited >= after else first
        if answer["response"]["status"] == 0:
            self._clock.pause(question.seconds)
        return answer

    def _of(self, question: HttpRequest) -> tuple[object, ...]:
        port = urlsplit(question.url).port
        tenant = question.headers.get(TENANT)
        return self._key(question.method, question.url, question.body.decode(errors="replace"), tenant, port)

    def _key(self, method: str, url: str, body: str, tenant: str | None, port: int | None) -> tuple[object, ...]:
        return _key(method, url, body, tenant if self._tenants else None, port)
