"""Answers that show that the parts of a program do not reach each other. Used by the smoke test and by `verify`."""

from http import HTTPStatus

# Recorded: tempo-2.3.1-path-prefix.json. A search answers the first text, a trace by ID answers the second.
_TEMPO = ("upstream: (404)", "proto: TraceByIDResponse: wiretype end group for non-group")
# Recorded: pyroscope-1.13.5-path-prefix.json. An ingest answers 501 with this text.
_PYROSCOPE = "404 Not Found"

TEMPO_TODO = "Set the top-level `http_api_prefix` in Tempo's configuration, and remove `server.http_path_prefix`."
PYROSCOPE_TODO = "Use Pyroscope 2.0.4, or remove `server.http_path_prefix`: 1.13.5 calls itself without the prefix."


def inner_failure(status: int, body: str) -> tuple[str, str]:
    """Return the cause and the remedy where an answer shows that a program's parts do not reach each other.

    Both are empty for every other answer.
    """
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and any(text in body for text in _TEMPO):
        return "Tempo's parts do not find each other under this prefix", TEMPO_TODO
    if status == HTTPStatus.NOT_IMPLEMENTED and _PYROSCOPE in body:
        return "Pyroscope's parts do not find each other under this prefix", PYROSCOPE_TODO
    return "", ""


def is_pyroscope_under_prefix(path: str) -> bool:
    """Return whether a path is a querier's method under a prefix. Pyroscope 1.13.5 does not answer such a query.

    Recorded: pyroscope-1.13.5-path-prefix.json.
    """
    return path.find("/querier.v1.QuerierService/") > 0
