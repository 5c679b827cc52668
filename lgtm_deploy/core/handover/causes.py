"""Known causes of wrong answers under a prefix, and what to do instead.

The advice depends on the program and on its version.
"""

from collections.abc import Iterable, Sequence

from lgtm_deploy.core.contract import Reply
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.verify.reads import kind_of
from lgtm_deploy.core.versions import numbers

NOT_FOUND, UNIMPLEMENTED = 404, 501
# Tempo: with `server.http_path_prefix` the query frontend asks the queriers where they do not listen, on every release
# from 1.5 on (recordings tempo-*-path-prefix; the releases between by their source). From 2.4 on it registers its
# routes on a router that it does not serve then: only `<prefix>/metrics` answers.
_TEMPO_SILENT_SINCE = (2, 4)
# Tempo 2.3.1 says so on search, and on a trace by its id (recording tempo-2.3.1-path-prefix).
_TEMPO_ASTRAY = ("upstream: (404)", "wiretype end group")
# Pyroscope 1.13.5 asks itself without the prefix; 2.0.4 works under it (recordings pyroscope-*-path-prefix).
_PYROSCOPE_WORKS_SINCE = (2, 0)
_PYROSCOPE_ASTRAY = "404 Not Found"


def cause_under_prefix(service: Service, replies: Iterable[Reply]) -> str:
    """Return why the service's answers are wrong under its prefix, and what to do; empty where nothing is known."""
    if not service.prefix:
        return ""
    asked = [reply for reply in replies if reply.path.partition("?")[0] != f"{service.prefix}/metrics"]
    match kind_of(service):
        case "tempo":
            return _of_tempo(service, asked)
        case "pyroscope":
            return _of_pyroscope(service, asked)
    return ""


def lacks_prefix(service: Service) -> bool:
    """Return whether the service is a Pyroscope that does not work under a prefix."""
    version = numbers(service.version)
    return kind_of(service) == "pyroscope" and bool(version) and version < _PYROSCOPE_WORKS_SINCE


def _of_tempo(service: Service, replies: Sequence[Reply]) -> str:
    paths = {reply.path for reply in replies}
    is_silent = bool(replies) and all(reply.status == NOT_FOUND for reply in replies)
    if any(sign in reply.body for reply in replies if reply.is_broken for sign in _TEMPO_ASTRAY):
        why = "Tempo's parts do not find each other under this prefix"
    elif is_silent and numbers(service.version) >= _TEMPO_SILENT_SINCE:
        why = f"Tempo {service.version} serves no route but {service.prefix}/metrics"
    elif is_silent and "/ready" in paths and f"{service.prefix}/ready" not in paths:
        why = f"Tempo's /ready has moved under {service.prefix}, where its parts do not find each other"
    else:
        return ""
    return (
        f"{why}: no release from 1.5 on can read with `server.http_path_prefix`. Set the top-level "
        f"`http_api_prefix: {service.prefix}` instead, and leave the health check on /ready."
    )


def _of_pyroscope(service: Service, replies: Sequence[Reply]) -> str:
    hangs = any(reply.waited for reply in replies if reply.path.startswith(f"{service.prefix}/"))
    astray = any(reply.status in (NOT_FOUND, UNIMPLEMENTED) and _PYROSCOPE_ASTRAY in reply.body for reply in replies)
    if lacks_prefix(service) and (hangs or astray):
        return (
            f"Pyroscope {service.version} asks itself without the prefix: profiles are refused and queries hang. Use "
            "2.0.4, whose parts follow `server.http_path_prefix`, or leave the prefix out."
        )
    return "Pyroscope's parts do not find each other under this prefix." if astray else ""
