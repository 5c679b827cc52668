"""status: what runs, and how the load balancer finds it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from lgtm_deploy.cli.settings import settings_of

if TYPE_CHECKING:
    from lgtm_deploy.cli.wiring import Sights
    from lgtm_deploy.core.stack import Service


_HEADER = ("service", "revision", "digest", "tasks", "targets", "path", "deployment")
# So much of a digest tells two of them apart.
_DIGEST = 19


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A service. What is not known is None; `error` is why nothing is."""

    service: str
    revision: str | None = None
    digest: str | None = None
    tasks: Mapping[str, int] | None = None
    targets: Mapping[str, int] | None = None
    path: str | None = None
    deployment: str | None = None
    error: str | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        tasks = f"{self.tasks['running']}/{self.tasks['desired']}" if self.tasks else "-"
        targets = "-" if self.targets is None else ", ".join(f"{count} {name}" for name, count in self.targets.items())
        return (
            self.service,
            self.revision or "-",
            (self.digest or "-")[:_DIGEST],
            tasks,
            targets or "none",
            self.path or "-",
            self.error or self.deployment or "-",
        )


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
    table = [_HEADER, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        typer.echo("  ".join(f"{text:<{width}}" for text, width in zip(cells, widths, strict=True)).rstrip())


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
        return _Row(service=service.name, error=str(error))
    deployment = seen.rollouts.deployment(state.deployment) if state.deployment else None
    states = Counter(target.status for target in (seen.balancer.targets(group.arn) if group else ()))
    return _Row(
        service=service.name,
        revision=state.task_definition.rpartition("/")[2],
        digest=deployment.digests.get(service.container) if deployment else None,
        tasks={"running": state.running, "desired": state.desired},
        targets=dict(sorted(states.items())),
        path=group.health_check.path if group else None,
        deployment=deployment.status.lower() if deployment else None,
    )
