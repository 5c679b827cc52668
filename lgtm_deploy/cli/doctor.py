"""doctor: is everything there that a run needs?"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import typer

from lgtm_deploy.cli.settings import Settings, settings_of

if TYPE_CHECKING:
    from lgtm_deploy.cli.wiring import Sights
    from lgtm_deploy.core.stack import Service, Stack

_BROKEN = 1
# A line, and the facts in it.
_Said = tuple[str, Mapping[str, object]]


@dataclass(frozen=True, kw_only=True)
class _Line:
    check: str
    ok: bool
    said: str
    facts: Mapping[str, object] = field(default_factory=dict)
    """The numbers and names in it, for programs."""


def doctor(context: typer.Context) -> None:
    """Look at tools, engine, credentials, account, services, target groups and lock, one line each."""
    settings = settings_of(context)
    lines = list(_examined(settings))
    for line in lines:
        if settings.output == "json":
            typer.echo(json.dumps(asdict(line)))
        else:
            typer.echo(f"{'ok  ' if line.ok else 'FAIL'}  {line.check:<16} {line.said}")
    if not all(line.ok for line in lines):
        raise typer.Exit(_BROKEN)


def _examined(settings: Settings) -> Iterator[_Line]:
    from lgtm_deploy.cli import loading, wiring
    from lgtm_deploy.core.errors import DeployError

    try:
        stack = loading.load_stack(settings)
    except DeployError as error:
        yield _Line(check="stack file", ok=False, said=str(error))
        return
    yield _Line(check="stack file", ok=True, said=f"{stack.directory}, environment {stack.environment.name}")
    try:
        stack = wiring.settled(stack)
    except DeployError as error:
        yield _Line(check="sandbox", ok=False, said=str(error))
        return
    yield _said("docker", _engine)
    yield _said("terraform", _terraform)
    seen = wiring.sights(stack)
    yield _said("account", partial(_account, stack, seen))
    for service in stack.services.values():
        yield _said(service.name, partial(_service, seen, service))
    yield _said("lock", partial(_lock, stack))


def _said(check: str, look: Callable[[], _Said]) -> _Line:
    from lgtm_deploy.core.errors import DeployError

    try:
        said, facts = look()
        return _Line(check=check, ok=True, said=said, facts=facts)
    except DeployError as error:
        return _Line(check=check, ok=False, said=str(error))


def _engine() -> _Said:
    from lgtm_deploy.adapters.docker import connect, has_buildx

    version = connect().version()["Version"]
    builder = "BuildKit" if has_buildx() else "classic builder"
    return f"engine {version}, {builder}", {"version": version, "builder": builder}


def _terraform() -> _Said:
    import shutil

    from lgtm_deploy.core.errors import MissingToolError

    found = shutil.which("terraform") or shutil.which("tofu")
    if not found:
        raise MissingToolError("not installed.", resolution="Put `terraform` (1.5 or later) or `tofu` on the PATH.")
    return found, {"program": found}


def _account(stack: "Stack", seen: "Sights") -> _Said:
    from lgtm_deploy.cli.wiring import guard_account

    guard_account(stack, seen.caller)
    account, region = stack.environment.account, stack.environment.region
    return f"{account} in {region}", {"account": account, "region": region}


def _service(seen: "Sights", service: "Service") -> _Said:
    from lgtm_deploy.steps.target_groups import group_of

    state = seen.host.service(service.ecs_service)
    group = group_of(seen.balancer, service)
    tasks = {"running": state.running, "desired": state.desired}
    if group is None:
        return f"{state.running}/{state.desired} tasks, no target group", tasks
    healthy = sum(target.status == "healthy" for target in seen.balancer.targets(group.arn))
    path = group.health_check.path
    said = f"{state.running}/{state.desired} tasks, {healthy} healthy on {path}"
    return said, {**tasks, "healthy": healthy, "path": path}


def _lock(stack: "Stack") -> _Said:
    from lgtm_deploy.adapters.clock import SystemClock
    from lgtm_deploy.cli.memory import lock

    held = lock(stack, SystemClock()).holder(stack.environment.name)
    if held is None:
        return "free", {"held": False}
    said = f"held by run {held.run} (since {held.since:%Y-%m-%d %H:%M} UTC, {held.holder})"
    return said, {"held": True, "run": held.run}
