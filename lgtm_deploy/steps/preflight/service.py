"""What there is of one service: its image, its target group, its tasks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lgtm_deploy.core.errors import AccessError, NotFoundError, PermanentError
from lgtm_deploy.core.further_groups import further_names
from lgtm_deploy.core.ports import Ports, ServiceState, TargetGroup
from lgtm_deploy.core.preflight.facts import RunningImage, ServiceFacts
from lgtm_deploy.core.preflight.images import is_of, version_hint
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.core.task_group import side_by_side
from lgtm_deploy.steps.build_image import build_request, tag_of
from lgtm_deploy.steps.preflight.looks import Looked, looked
from lgtm_deploy.steps.rollouts import running_digest
from lgtm_deploy.steps.target_groups import group_of

# A tag that no image has: asking for it tells whether the repository is there.
_NO_TAG = "lgtm-deploy-preflight"
_USUAL_PLATFORM = "linux/amd64"


def look_at(stack: Stack, ports: Ports, service: Service, state: Looked[ServiceState], *, probed: bool) -> ServiceFacts:
    """The service, whose `state` in ECS is known; `probed` says that its tasks are to be asked. Raises TransientError
    when AWS does not answer."""
    with ThreadPoolExecutor(4) as pool:
        group = pool.submit(looked, partial(group_of, ports.balancer, service))
        platform = state.value.platform if state.value else _USUAL_PLATFORM
        committed = pool.submit(_committed, stack, ports, service, platform)
        image = pool.submit(looked, partial(_running, ports, service, state.value))
        asked = probed and state.value is not None and bool(service.target_group)
        further = looked(partial(_further, ports, state.value, group.result().value))
        tasks = pool.submit(looked, partial(_tasks, ports, service) if asked else dict[str, bool])
        addresses = tasks.result().value or {}
        found = committed.result()
        return ServiceFacts(
            service=service,
            missing=(
                *found.missing,
                *state.missing,
                *group.result().missing,
                *further.missing,
                *image.result().missing,
                *tasks.result().missing,
            ),
            state=state.value,
            group=group.result().value,
            further=further.value or (),
            image=image.result().value,
            committed=found.value,
            tasks=tuple(addresses),
            unreachable=tuple(address for address, reached in addresses.items() if not reached),
        )


def _committed(stack: Stack, ports: Ports, service: Service, platform: str) -> Looked[str]:
    """The digest that the registry has of what is committed; empty when it has none yet."""
    request = build_request(stack, service, platform)
    version = request.build_args.get("VERSION", "")
    identity = looked(_explained(service, version, partial(ports.builder.identity, request)))
    tag = tag_of(identity.value) if identity.value else _NO_TAG
    digest = looked(partial(ports.registry.digest_of, service.repository, tag))
    missing = (*identity.missing, *digest.missing)
    return Looked(missing=missing) if missing else Looked(value=digest.value or "")


def _explained(service: Service, version: str, look: Callable[[], str]) -> Callable[[], str]:
    """A base image that does not exist may be the tag of one's own image, by mistake."""

    def explained() -> str:
        try:
            return look()
        except NotFoundError as error:
            said = f"{service.name}: {error.message}"
            raise NotFoundError(said, resolution=version_hint(version) or error.resolution) from error
        except PermanentError as error:
            raise PermanentError(f"{service.name}: {error.message}", resolution=error.resolution) from error

    return explained


def _further(ports: Ports, state: ServiceState | None, group: TargetGroup | None) -> tuple[TargetGroup, ...]:
    if state is None or group is None:
        return ()
    return tuple(ports.balancer.target_group(name) for name in further_names(state, group))


def _running(ports: Ports, service: Service, state: ServiceState | None) -> RunningImage | None:
    """The image that runs, where it is one of the service's own repository and anything runs."""
    reference = state.images.get(service.container, "") if state else ""
    if state is None or f"/{service.repository}" not in reference:
        return None
    digest = running_digest(ports.rollouts, service, state)
    if not digest or not is_of(reference, ports.registry.reference(service.repository, digest).partition("@")[0]):
        return None
    try:
        tags = ports.registry.tags_of(service.repository, digest)
    except NotFoundError:
        return RunningImage(digest=digest, tags=None)
    kept = [tag for tag in tags if tag != service.pinned_tag]
    return RunningImage(digest=digest, tags=tags, expires=not kept and _expires(ports, service))


def _expires(ports: Ports, service: Service) -> bool:
    """Where the policy may not be read, nobody knows of a rule."""
    try:
        return ports.registry.expires_untagged(service.repository)
    except (AccessError, NotFoundError):
        return False


def _tasks(ports: Ports, service: Service) -> dict[str, bool]:
    """Running tasks' addresses, and whether a connection to them can be opened from here."""
    addresses = [task.address for task in ports.rollouts.tasks(service.ecs_service) if task.status == "running"]
    reached = side_by_side(lambda address: ports.task_probe.reaches(address, service.port), addresses, threads=8)
    return dict(zip(addresses, reached, strict=True))
