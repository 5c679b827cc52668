"""The steps from an image's build to its deployment, as recipes share them."""

from collections.abc import Iterable, Mapping

from lgtm_deploy.core.graph import Graph, Phase
from lgtm_deploy.steps import (
    build_image,
    deploy_service,
    plan_task_definitions,
    probe_image,
    probe_paths,
    push_image,
)
from lgtm_deploy.steps.await_deployment import AwaitDeployment
from lgtm_deploy.steps.plan_task_definitions import Outputs as Definitions
from lgtm_deploy.steps.plan_task_definitions import PlanTaskDefinitions
from lgtm_deploy.steps.results import BuiltImage, CompleteDeployment, Deployment, PushedImage, TestedImage
from lgtm_deploy.steps.rollouts import Watched

BuiltImages = Mapping[str, BuiltImage]


def plan_definitions(
    graph: Graph, services: tuple[str, ...], dependents: tuple[str, ...] = (), *, after: Iterable[object] = ()
) -> Definitions:
    """Plan the task definitions that Terraform manages; there may be none."""
    return graph.add(
        "task-definitions",
        PlanTaskDefinitions,
        plan_task_definitions.Inputs(services=services, dependents=dependents),
        title="plan the task definitions that Terraform manages",
        phase=Phase.PREPARE,
        after=after,
    )


def build_images(graph: Graph, services: Iterable[str], *, after: Iterable[object] = ()) -> BuiltImages:
    """Build each service's image."""
    return {
        name: graph.add(
            f"build[{name}]",
            build_image.BuildImage,
            build_image.Inputs(service=name),
            title=f"build {name}'s image",
            phase=Phase.BUILD,
            after=after,
        )
        for name in services
    }


def smoke_test(graph: Graph, name: str, built: BuiltImage, definitions: Definitions) -> probe_image.Outputs:
    """Start the new image beside the one that runs, and ask both the same."""
    return graph.add(
        f"smoke-test[{name}]",
        probe_image.ProbeImage,
        probe_image.Inputs(built=built, releases=definitions.releases, plans=definitions.plans),
        title=f"smoke-test {name}'s new image beside the one that runs",
        phase=Phase.BUILD,
        timeout=300,
    )


def push(
    graph: Graph, name: str, tested: TestedImage, definitions: Definitions, *, after: Iterable[object] = ()
) -> PushedImage:
    """Push the image under its identity."""
    return graph.add(
        f"push[{name}]",
        push_image.PushImage,
        push_image.Inputs(tested=tested, releases=definitions.releases),
        title=f"push {name}'s image",
        phase=Phase.PUSH,
        after=after,
    )


def deploy(
    graph: Graph, name: str, pushed: PushedImage, definitions: Definitions, *, after: Iterable[object] = ()
) -> Deployment:
    """Deploy the image by its digest."""
    return graph.add(
        f"deploy[{name}]",
        deploy_service.DeployService,
        deploy_service.Inputs(pushed=pushed, releases=definitions.releases),
        title=f"deploy {name} by digest",
        phase=Phase.DEPLOY,
        after=after,
    )


def wait_for_deployment(
    graph: Graph, name: str, deployed: Deployment, phase: Phase, *, after: Iterable[object] = ()
) -> CompleteDeployment:
    """Wait until the deployment is complete and its targets are healthy."""
    return graph.add(
        f"wait-for-deployment[{name}]",
        AwaitDeployment,
        Watched(deployed=deployed),
        title=f"wait until {name}'s deployment is complete and its targets are healthy",
        phase=phase,
        after=after,
    )


def probe(graph: Graph, name: str, *, after: Iterable[object] = (), timeout: float = 60) -> probe_paths.Outputs:
    """Ask the service through the load balancer, as its users do."""
    return graph.add(
        f"probe[{name}]",
        probe_paths.ProbePaths,
        probe_paths.Inputs(service=name),
        title=f"ask {name} through the load balancer",
        phase=Phase.VERIFY,
        after=after,
        timeout=timeout,
    )
