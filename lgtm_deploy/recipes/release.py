"""The recipe `release`: services on what is committed, with no health check that moves."""

from collections.abc import Iterable
from typing import ClassVar

from lgtm_deploy.core.graph import Graph, Phase
from lgtm_deploy.core.recipe import Recipe
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.recipes.images import (
    build_images,
    deploy,
    plan_definitions,
    probe,
    push,
    smoke_test,
    wait_for_deployment,
)
from lgtm_deploy.steps import preflight


class Release(Recipe):
    """Builds, smoke-tests, pushes and deploys the services, and asks them through the load balancer."""

    about: ClassVar[str] = "Release services; no health check moves."

    def build(self, graph: Graph, stack: Stack | None) -> Iterable[object]:
        """Add the steps, and return what comes last; no image is pushed before every one has passed its smoke test."""
        survey = graph.add(
            "preflight",
            preflight.Preflight,
            preflight.Inputs(services=self.services),
            title="look at what changes",
            phase=Phase.PREPARE,
            timeout=600,
        )
        definitions = plan_definitions(graph, self.services, after=[survey])
        built = build_images(graph, self.services, after=[survey])
        tests = {name: smoke_test(graph, name, built[name], definitions) for name in self.services}
        answers = []
        for name, test in tests.items():
            pushed = push(graph, name, test.tested, definitions, after=tests.values())
            deployed = deploy(graph, name, pushed, definitions)
            complete = wait_for_deployment(graph, name, deployed, Phase.WAIT)
            answers.append(probe(graph, name, after=[complete]))
        return answers
