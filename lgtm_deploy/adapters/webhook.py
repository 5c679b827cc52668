"""Telling a URL of what happens to a run."""

import os
from collections.abc import Mapping

import httpx

from lgtm_deploy.core.plan import Webhook

_PREFIX = "LGTM_DEPLOY_HOOK_"
_CONNECT_SECONDS = 5.0
# As a shell has them: no such program, out of time.
_NOT_THERE, _TOO_LATE = 127, 124


def post(hook: Webhook, told: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """POSTs what is told as one JSON object and waits at most `timeout` seconds for each part of an answer.

    Its keys are the names that commands have in their environment, in lower case and without what they all begin with.
    Returns 0 when the answer is 2xx, and else why not, which never holds the URL: it may be a secret. Redirects are
    failures; the answer's body is not read.
    """
    url = hook.url or os.environ.get(hook.url_env, "")
    if not url:
        return _NOT_THERE, f"{hook.url_env} is not set"
    body = {name.removeprefix(_PREFIX).lower(): value for name, value in told.items()}
    try:
        with (
            httpx.Client(timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS))) as client,
            client.stream("POST", url, json=body) as answer,
        ):
            return (0, "") if answer.is_success else (1, f"answered {answer.status_code}")
    except httpx.TimeoutException:
        return _TOO_LATE, f"no answer after {timeout:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return _NOT_THERE, f"cannot be told: {type(error).__name__}"
