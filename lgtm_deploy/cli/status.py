"""status: what runs, and how the load balancer finds it."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from lgtm_deploy.cli.settings import settings_of

if TYPE_CHECKING:
    from lgtm_deploy.cli.wiring import Sights
    from lgtm_deploy.core.stack import Service


@dataclass(frozen=True, kw_only=True)
class _Row:
    service: str
    revision: str
    digest: str
    tasks: str
    targets: str
    path: str
    deployment: str


def status(context: typer.Context) -> None:
    """Services: revision, image digest, tasks, target health, health check path, deployment."""
    from lgtm_deploy.cli import loading, wiring
    from lgtm_deploy.core.task_group import side_by_side

    settings = settings_of(context)
    stack = wiring.settled(loading.load_stack(settings))
    seen = wiring.sights(stack)
    rows = side_by_side(lambda service: _row(seen, service), list(stack.services.values()))
    if settings.output == "json":
        address = stack.environment.url or seen.balancer.address(stack.environment.load_balancer)
        services = [asdict(row) for row in rows]
        typer.echo(json.dumps({"environment": stack.environment.name, "url": address, "services": services}))
        return
    header = _Row(
        service="service",
        revision="revision",
        digest="digest",
        tasks="tasks",
        targets="targets",
        path="path",
        deployment="deployment",
    )
    table = [list(asdict(row).values()) for row in (header, *rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        typer.echo("  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip())


def _row(seen: "Sights", service: "Service") -> _Row:
    from collections import Counter

    from lgtm_deploy.core.errors import AccessError, PermanentError
    from lgtm_deploy.steps.target_groups import group_of

    try:
        state = seen.host.service(service.ecs_service)
        group = group_of(seen.balancer, service)
    except AccessError:
        raise
    except PermanentError as error:
        return _Row(
            service=service.name, revision="-", digest="-", tasks="-", targets="-", path="-", deployment=str(error)
        )
    deployment = seen.rollouts.deployment(state.deployment) if state.deployment else None
    states = Counter(target.status for target in (seen.balancer.targets(group.arn) if group else ()))
    return _Row(
        service=service.name,
        revision=state.task_definition.rpartition("/")[2],
        digest=(deployment.digests.get(service.container, "") if deployment else "")[:19] or "-",
        tasks=f"{state.running}/{state.desired}",
        targets=", ".join(f"{count} {name}" for name, count in sorted(states.items())) or "none",
        path=group.health_check.path if group else "-",
        deployment=deployment.status.lower() if deployment else "-",
    )
