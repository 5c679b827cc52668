"""Why does an image answer nothing at all?"""

from collections.abc import Iterable

from lgtm_deploy.core.contract import Reply
from lgtm_deploy.core.stack import Service

NOT_FOUND = 404
# Since 2.4.0 Tempo serves only the prefixed sub-router and registers its routes on the other one (read in its source
# at 2.4.0 to 2.9.0, and executed: every path answers 404 but `<prefix>/metrics`).
_TEMPO_BROKEN_SINCE = (2, 4)


def cause_of_silence(service: Service, replies: Iterable[Reply]) -> str:
    """Why no route answers, and which plan to use instead; empty where nothing is known.

    Tempo from 2.4 on serves no route with `server.http_path_prefix`: `http_api_prefix` is the setting that works, and
    leaves the health check where it is.
    """
    asked = [reply for reply in replies if reply.path.partition("?")[0] != f"{service.prefix}/metrics"]
    if not service.prefix or not asked or any(reply.status != NOT_FOUND for reply in asked):
        return ""
    if not _is_tempo(service) or _numbers(service.version) < _TEMPO_BROKEN_SINCE:
        return ""
    return (
        f"Tempo {service.version} serves no route but {service.prefix}/metrics with http_path_prefix (so do all from "
        "2.4 on): use plan `prefix-change-api`, with http_api_prefix."
    )


def _is_tempo(service: Service) -> bool:
    return any("tempo" in name for name in (service.name, service.repository, service.context))


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version such as `v2.9.0-rc1`."""
    numbers: list[int] = []
    for part in version.removeprefix("v").partition("-")[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)
