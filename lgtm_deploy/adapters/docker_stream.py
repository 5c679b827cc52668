"""What the Docker Engine says while it works, and what its errors mean."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound

from lgtm_deploy.core.errors import NotFoundError, PermanentError, TransientError
from lgtm_deploy.core.ports import Progress

POLL_SECONDS = 0.1
SERVER_ERROR = 500

Message = Mapping[str, Any]


def follow(
    engine: docker.DockerClient, start: Callable[[], Iterable[Message]], progress: Progress
) -> Iterator[Message]:
    """The engine's messages as they come; progress is called at least every 0.1 s between them.

    When progress raises, or the caller leaves, the connection is closed, which makes the engine stop the work.
    """
    messages: queue.SimpleQueue[Message | BaseException | None] = queue.SimpleQueue()
    responses: list[requests.Response] = []
    stopping = threading.Event()

    def keep(response: requests.Response, *_: object, **__: object) -> None:
        # The client is shared: only this thread's own answer is ours.
        if threading.current_thread() is reader:
            responses.append(response)
            if stopping.is_set():
                response.close()

    def read() -> None:
        try:
            for message in start():
                if stopping.is_set():
                    break
                messages.put(message)
        except Exception as error:
            messages.put(error)
        finally:
            for response in responses:
                response.close()
            hooks.remove(keep)
            messages.put(None)

    hooks: list[Any] = engine.api.hooks["response"]
    hooks.append(keep)
    reader = threading.Thread(target=read, name="docker-stream", daemon=True)
    reader.start()
    try:
        while True:
            try:
                message = messages.get(timeout=POLL_SECONDS)
            except queue.Empty:
                progress("")
                continue
            if message is None:
                return
            if isinstance(message, BaseException):
                raise message
            yield message
    finally:
        stopping.set()
        for response in responses if reader.is_alive() else ():
            # Closing a socket does not wake a thread that reads it; shutting it down does. At the end there is none.
            with contextlib.suppress(ValueError):
                response.raw.shutdown()
        reader.join(timeout=2)


class engine_errors:  # noqa: N801 - reads as a statement: `with engine_errors("…"):`
    """Translates what the engine or the connection to it raises. `what` is the sentence's subject."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ImageNotFound):
            raise NotFoundError(f"{self._what} is not in the engine.") from error
        if isinstance(error, APIError):
            said = f"{self._what}: {one_line(error.explanation or error)}."
            transient = (error.status_code or 0) >= SERVER_ERROR
            raise (TransientError(said) if transient else PermanentError(said)) from error
        if isinstance(error, (DockerException, requests.RequestException)):
            raise TransientError(f"{self._what}: the Docker Engine does not answer ({one_line(error)}).") from error


def one_line(said: object) -> str:
    """The words on one line, without a full stop."""
    return " ".join(str(said).split()).rstrip(".")
