"""A service like Tempo on the stack's target group, and images that answer what a test says."""

from typing import Any

from lgtm_deploy.core.contract import Contract, Reply, Trial
from lgtm_deploy.core.handover import Facts
from lgtm_deploy.core.ports import HealthCheck
from lgtm_deploy.core.stack import Health, Service
from tests.stacks import make_service

OLD, NEW = "/ready", "/tempo/ready"
CHECK = HealthCheck(path=OLD, matcher="200", interval=5, timeout=2, healthy_threshold=2, unhealthy_threshold=4)


def check(healthy: int, unhealthy: int, interval: int = 5) -> HealthCheck:
    return HealthCheck(
        path=OLD,
        matcher="200",
        interval=interval,
        timeout=2,
        healthy_threshold=healthy,
        unhealthy_threshold=unhealthy,
    )


def reply(path: str, status: int, body: str = "") -> Reply:
    return Reply(path=path, status=status, body=body, healthy=status == 200)


def contract(
    *, new: tuple[int, int] = (404, 200), old: tuple[int, int] = (200, 404), ready: float = 0.0, new_path: str = NEW
) -> Contract:
    """What the images answer on the old path and on the new one: as documented, each on its own only."""
    return Contract(
        old_path=OLD,
        new_path=new_path,
        new=Trial(image="new", ready_seconds=ready, replies=(reply(OLD, new[0]), reply(new_path, new[1]))),
        old=Trial(image="old", replies=(reply(OLD, old[0]), reply(new_path, old[1]))),
    )


def service(name: str = "tempo", **named: Any) -> Service:
    return make_service(name=name, prefix=f"/{name}", version="2.3.1", health=Health(path=NEW, **named))


def facts(name: str = "tempo", **named: Any) -> Facts:
    given: dict[str, Any] = {
        "service": service(name),
        "contract": contract(),
        "check": CHECK,
        "desired": 1,
        "oldest_age": 86_400.0,
    }
    return Facts(**{**given, **named})
