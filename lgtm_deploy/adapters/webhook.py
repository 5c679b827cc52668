"""Telling a URL of what happens to a run."""

import json
import os
from collections.abc import Mapping

from lgtm_deploy.adapters.http import HttpClient
from lgtm_deploy.core.plan import Webhook
from lgtm_deploy.core.ports import HttpFailure, HttpRequest, Progress

_PREFIX = "LGTM_DEPLOY_HOOK_"
_CONNECT_SECONDS = 5.0
_OK = range(200, 300)
# As a shell has them: no such program, out of time.
_NOT_THERE, _TOO_LATE = 127, 124


def post(hook: Webhook, told: Mapping[str, str], timeout: float, progress: Progress) -> tuple[int, str]:
    """POSTs what is told as one JSON object and waits at most `timeout` seconds for an answer.

    Its keys are the names that commands have in their environment, in lower case and without what they all begin with.
    Returns 0 when the answer is 2xx, and else why not, which never holds the URL: it may be a secret. Redirects are
    failures; the answer's body is not read. What progress raises ends the wait.
    """
    url = hook.url or os.environ.get(hook.url_env, "")
    if not url:
        return _NOT_THERE, f"{hook.url_env} is not set"
    body = json.dumps({name.removeprefix(_PREFIX).lower(): value for name, value in told.items()}).encode()
    headers = {"Content-Type": "application/json"}
    request = HttpRequest(url=url, method="POST", headers=headers, body=body, seconds=timeout)
    found = HttpClient().send(request, connect=_CONNECT_SECONDS, limit=0, progress=progress)
    if not isinstance(found, HttpFailure):
        return (0, "") if found.status in _OK else (1, f"answered {found.status}")
    if found.trouble == "timeout":
        return _TOO_LATE, f"no answer after {timeout:g} s"
    return _NOT_THERE, f"cannot be told: {found.trouble}"
