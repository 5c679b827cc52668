"""A cloud as it is before the change that a stack describes."""

from pathlib import Path

from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.fakes.clock import FakeClock
from lgtm_deploy.fakes.cloud import FakeCloud, FakeRepository, FakeRoot
from lgtm_deploy.fakes.image import Contract, Source
from lgtm_deploy.fakes.rollout import FakeService
from lgtm_deploy.fakes.targets import FIVE_SECONDS, FakeTargetGroup, replace_path

OLD_TAG = "before"


def lay(stack: Stack, clock: FakeClock | None = None) -> FakeCloud:
    """Everything that the stack names: repositories, services on an old image that answers the path without its
    prefix, target groups that check that path, sources whose image answers the new one, and Terraform roots.

    The health check paths belong to the root called `alb`, or to the first one.
    """
    environment = stack.environment
    cloud = FakeCloud(clock, account=environment.account, cluster=environment.cluster)
    if environment.load_balancer:
        cloud.balancers[environment.load_balancer] = f"http://{environment.load_balancer}.elb.example"
    for service in stack.services.values():
        _lay_service(cloud, stack.directory, service)
    owner = "alb" if "alb" in environment.terraform else next(iter(environment.terraform), "")
    for name, root in environment.terraform.items():
        checked = [each for each in stack.services.values() if name == owner and each.target_group]
        cloud.roots[(stack.directory / root.root).resolve()] = FakeRoot(
            paths={each.target_group: each.health.path for each in checked},
            committed={each.target_group: cloud.groups[each.target_group].health_check for each in checked},
            variables={each.health.variable: each.target_group for each in checked if each.health.variable},
            others={
                **{each.health.matcher_variable: (each.target_group, "matcher") for each in checked},
                **{
                    each.health.unhealthy_threshold_variable: (each.target_group, "unhealthy_threshold")
                    for each in checked
                },
            },
        )
    return cloud


def old_path(service: Service) -> str:
    """The health check's path before the prefix."""
    path = service.health.path
    return path.removeprefix(service.prefix) if service.prefix and path.startswith(f"{service.prefix}/") else path


def _before(service: Service) -> dict[str, str]:
    """What the image answers that runs before the change: every path, without its prefix."""
    paths = (*service.paths.moves, *service.paths.keeps, *service.paths.drops)
    return dict.fromkeys(paths, "") | {old_path(service): service.health.body}


def _after(service: Service) -> dict[str, str]:
    """What the new image answers: what moves under its prefix, what stays, and all that the stack file asks for."""
    paths = (*(service.prefix + path for path in service.paths.moves), *service.paths.keeps)
    asked = {probe.path.partition("?")[0]: probe.body for probe in (*service.probes, *service.expects)}
    return dict.fromkeys(paths, "") | asked | {service.health.path: service.health.body}


def _lay_service(cloud: FakeCloud, directory: Path, service: Service) -> None:
    new = Contract(answers=_after(service), statuses={probe.path: probe.status for probe in service.expects})
    cloud.repositories[service.repository] = FakeRepository(immutable=not service.pinned_tag)
    cloud.put_image(service.repository, OLD_TAG, Contract(answers=_before(service)))
    cloud.sources[(directory / service.context).resolve()] = Source(contract=new)
    groups: list[FakeTargetGroup] = []
    if service.target_group:
        cloud.rules[service.prefix or "/"] = service.ecs_service
        check = replace_path(FIVE_SECONDS, old_path(service))
        groups = [FakeTargetGroup(name=service.target_group, account=cloud.account, health_check=check)]
    tag = service.pinned_tag or OLD_TAG
    if service.pinned_tag:
        cloud.put_image(service.repository, tag, Contract(answers=_before(service)))
    cloud.add_service(
        FakeService(
            name=service.ecs_service,
            container=service.container,
            port=service.port,
            clock=cloud.clock,
            groups=groups,
        ),
        f"{cloud.address_of(service.repository)}:{tag}",
    )
