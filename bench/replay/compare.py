"""Comparison of an answer with the recorded one."""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from bench.replay.recording import Exchange, Recording
from bench.replay.shape import body_shape, differences

Json = dict[str, Any]

# How an answer matches: byte for byte, by shape, as a page, or as a known caveat of the recordings has it.
How = Literal["exact", "shape", "page", "caveat"]

_OK = 200
# Routes with a wrong method answer one or the other, which changes from start to start.
_WRONG_METHOD = (404, 405)
# Paths of status and diagnostics: they print the state of a process.
_PAGE = re.compile(
    r"(/\w+)??(/status|/status/.*|/metrics|/config|/services|/runtime_config|/memberlist|/admin|/(.*[-/])?ring|/.*-nodes)"
)
# Queries of Pyroscope.
_PROFILES = re.compile(r"/querier\.v1\.QuerierService/|/render")
_FOUND = re.compile(r"\[\s*[^\]\s]")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Result of a comparison. `wrong` is the first difference, empty where there is none.

    `status` tells that the status differs, `late` that a slow machine may be the cause.
    """

    how: How = "exact"
    wrong: str = ""
    status: bool = False
    late: bool = False


def is_found(answer: Json) -> bool:
    """Return true where an answer holds a record: status 200, and JSON with a list that is not empty."""
    return answer["status"] == _OK and _FOUND.search(answer.get("body", "")) is not None


def is_page(exchange: Exchange) -> bool:
    """Return true where an exchange asks a status or diagnostics page: HTML, or a path that prints a state."""
    path = exchange.request["path"].partition("?")[0]
    html = exchange.response["headers"].get("content-type", "").startswith("text/html")
    return html or _PAGE.fullmatch(path) is not None


def has_wrong_method(exchange: Exchange, recording: Recording) -> bool:
    """Return true where a path does not take the method of an exchange.

    A 405 with the header `allow` tells so. Any other 405, and a 404 of the router, tells so where another method got
    something else on the same path. The recordings `wrong-methods…` hold nothing else.
    """
    if recording.data["config_name"].startswith("wrong-methods"):
        return True
    if exchange.status == _WRONG_METHOD[1] and "allow" in exchange.response.get("other_headers", {}):
        return True
    if exchange.status == _WRONG_METHOD[0] and "not found" not in exchange.response.get("body", "").lower():
        return False
    return any(
        other.status not in (0, *_WRONG_METHOD)
        for other in recording.exchanges
        if other.request["path"].partition("?")[0] == exchange.request["path"].partition("?")[0]
        and other.request.get("port") == exchange.request.get("port")
        and not _alike(other.request["method"], exchange.request["method"])
    )


def sees_compacted_only(exchange: Exchange, recording: Recording) -> bool:
    """Return true where Pyroscope 2 is asked without `service_name`.

    Such a query sees a profile only once its segment is compacted, and that moment changes from run to run.
    """
    if recording.data["server"] != "pyroscope" or recording.data["version"].startswith("1."):
        return False
    request = exchange.request
    asked = request["path"] + request.get("body", "")
    return _PROFILES.search(request["path"]) is not None and "service_name" not in asked


def compare(exchange: Exchange, answer: Json, recording: Recording) -> Verdict:
    """Compare an answer with the recorded one."""
    recorded = exchange.response
    if answer["status"] == 0 or exchange.status == 0:
        return _silence(exchange, answer)
    if {answer["status"], exchange.status} == {*_WRONG_METHOD} and has_wrong_method(exchange, recording):
        return Verdict(how="caveat")
    if answer["status"] != exchange.status:
        beginning = " ".join(answer.get("body", "").split())[:60]
        said = f" ({beginning})" if beginning else ""
        return Verdict(wrong=f"status {exchange.status} recorded, {answer['status']} found{said}", status=True)
    for header in ("content-type", "location"):
        left, right = recorded["headers"].get(header, ""), answer["headers"].get(header, "")
        if left != right:
            return Verdict(wrong=f"{header} '{left}' recorded, '{right}' found")
    verdict = Verdict(how="page") if is_page(exchange) else _body(recorded, answer)
    if verdict.wrong and exchange.status == _OK and sees_compacted_only(exchange, recording):
        return Verdict(how="caveat")
    return verdict


def compare_look(first: Exchange, last: Exchange, answers: Iterable[Json], recording: Recording) -> list[Verdict]:
    """Compare the first and the last of several looks for a record, in that order.

    A record that is there at the first look is no difference where it was there later in the recording: the time
    depends on when the server writes its next block.
    """
    one, two = answers
    verdict = compare(first, one, recording)
    if verdict.wrong and last.found_after and not compare(last, one, recording).wrong:
        verdict = Verdict(how="caveat")
    if sees_compacted_only(last, recording):
        return [verdict, compare(last, two, recording)]
    return [verdict, _found(last, two) or compare(last, two, recording)]


def _found(last: Exchange, answer: Json) -> Verdict | None:
    found = is_found(answer)
    if found == (last.found_after is not None) or last.hangs:
        return None
    if found:
        return Verdict(wrong=f"the record is found; it was not in {last.looked_for} s")
    return Verdict(wrong=f"the record is not found; it was after {last.found_after} s", late=True)


def _alike(one: str, two: str) -> bool:
    return one == two or {one, two} == {"GET", "HEAD"}


def _silence(exchange: Exchange, answer: Json) -> Verdict:
    """Compare where one of the two is no answer. A hang is one that did not come within the time of the replay."""
    left = exchange.status or kind_of_silence(exchange.response["error"])
    right = answer["status"] or kind_of_silence(answer["error"])
    if left == right:
        return Verdict()
    return Verdict(wrong=f"{left} recorded, {right} found", status=True, late=right == "timed out")


def kind_of_silence(error: str) -> str:
    """Return the kind of a failure to answer: `does not listen`, `timed out` or `closed`."""
    if error == "does not listen":
        return error
    return "timed out" if "timed out" in error else "closed"


def _body(recorded: Json, answer: Json) -> Verdict:
    left, right = _bytes(recorded), _bytes(answer)
    if "body_cut_from" in recorded and answer.get("body", "")[: len(recorded["body"])] == recorded["body"]:
        return Verdict(how="exact")
    if left == right:
        return Verdict(how="exact")
    if "body_base64" in recorded or "body_base64" in answer:
        same = bool(left) == bool(right) and ("body_base64" in recorded) == ("body_base64" in answer)
        return Verdict(how="shape") if same else Verdict(wrong=f"{len(left)} bytes recorded, {len(right)} bytes found")
    one, two = body_shape(recorded, answer["body"])
    if one == two:
        return Verdict(how="shape")
    bare = body_shape(recorded, answer["body"], statistics=False)
    if bare[0] == bare[1]:
        return Verdict(how="caveat")
    return Verdict(wrong=f"body{next(differences(*bare), ': differs')}")


def _bytes(answer: Json) -> bytes:
    return base64.b64decode(answer["body_base64"]) if "body_base64" in answer else answer.get("body", "").encode()
