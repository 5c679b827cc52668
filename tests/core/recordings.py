"""What the real servers answered and wrote, as it was recorded."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import lgtm_deploy
from lgtm_deploy.core.contract import Reply
from lgtm_deploy.core.stack import Probe

HOUR = 3_660_000
FOLDER = Path(lgtm_deploy.__file__).parent / "sandbox" / "standins" / "recordings"


@cache
def recording(name: str) -> dict[str, Any]:
    """The recording of that name, such as `tempo-2.9.0-plain`."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return loaded


def named(prefix: str) -> list[str]:
    """The names of the recordings that begin so, in order."""
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}*.json"))


def fields(text: str) -> object:
    """The fields of a JSON body, with the length of its time range in place of the times; None: it has none."""
    try:
        found = json.loads(text)
        return {**found, "start": "", "end": 0 < found["end"] - found["start"] <= HOUR} if "end" in found else found
    except (ValueError, TypeError):
        return None


def asks_alike(recorded: dict[str, Any], request: Probe) -> bool:
    typed = {"Content-Type": "application/json"} if request.verb == "POST" else {}
    return (
        (recorded["method"], recorded["path"]) == (request.verb, request.path)
        and recorded["headers"] == {"X-Scope-OrgID": "demo", **typed}
        and fields(recorded.get("body") or "{}") == fields(request.send or "{}")
    )


def reply_of(name: str, probe: Probe) -> Reply:
    """What the recorded server answered to the request; as to a path that it does not have where nobody asked it."""
    exchanges = [each for each in recording(name)["exchanges"] if not each["name"].startswith("early")]
    for exchange in exchanges:
        if asks_alike(exchange["request"], probe):
            response = exchange["response"]
            body = " ".join(response.get("body", "").split())[:200]
            waited = response["took_s"] if not response["status"] else 0.0
            return Reply(path=probe.path, method=probe.verb, status=response["status"], body=body, waited=waited)
    return Reply(path=probe.path, method=probe.verb, status=404, body="404 page not found")
