"""Telling a URL of what happens to a run."""

import os
import queue
import threading
import time
from collections.abc import Mapping

import httpx

from lgtm_deploy.adapters.gateway import tls
from lgtm_deploy.core.plan import Webhook
from lgtm_deploy.core.ports import Progress

_PREFIX = "LGTM_DEPLOY_HOOK_"
_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.1
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
    body = {name.removeprefix(_PREFIX).lower(): value for name, value in told.items()}
    answers: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
    # A thread that nobody has to wait for: httpx limits each part of an answer, which may come byte by byte.
    threading.Thread(target=lambda: answers.put(_sent(url, body, timeout)), name="webhook", daemon=True).start()
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        try:
            return answers.get(timeout=min(left, _POLL_SECONDS))
        except queue.Empty:
            progress("")
    return _TOO_LATE, f"no answer after {timeout:g} s"


def _sent(url: str, body: Mapping[str, str], timeout: float) -> tuple[int, str]:
    try:
        with (
            httpx.Client(
                timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)), verify=tls()
            ) as client,
            client.stream("POST", url, json=body) as answer,
        ):
            return (0, "") if answer.is_success else (1, f"answered {answer.status_code}")
    except httpx.TimeoutException:
        return _TOO_LATE, f"no answer after {timeout:g} s"
    # Whatever it is: a thread would print it, and its text may hold the URL.
    except Exception as error:
        return _NOT_THERE, f"cannot be told: {type(error).__name__}"
