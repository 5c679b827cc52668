"""The recipe `url-rewrite`: services get a path prefix from the listener rules, with no new image.

The request /tempo/api/search reaches Tempo as /api/search. Health checks do not go through rules: they stay, and no
task is replaced.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from lgtm_deploy.core.graph import Graph, Phase
from lgtm_deploy.core.recipe import Fault, Recipe
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.recipes.images import probe
from lgtm_deploy.recipes.terraform import OneRoot, prepare_root, save_plan, unknown_root
from lgtm_deploy.steps.terraform_apply import ApplyInputs, TerraformApply


class UrlRewrite(Recipe):
    """Applies a Terraform plan of listener rules and asks the services through the load balancer."""

    about: ClassVar[str] = "Rewrite the URL in listener rules: services get a path prefix with no new image."
    terraform: OneRoot

    def faults(self, stack: Stack | None) -> Iterator[Fault]:
        """Return unknown services and an unknown root."""
        yield from super().faults(stack)
        yield from unknown_root(self.terraform[0], stack)

    def build(self, graph: Graph, stack: Stack | None) -> Iterable[object]:
        """Add the steps. A plan that also moved a health check is refused: this recipe has no gates."""
        change = self.terraform[0]
        prepared = prepare_root(graph, change.root)
        planned = save_plan(graph, change, change.allowances("aws_lb_listener_rule"), prepared)
        rewritten = graph.add(
            "rewrite",
            TerraformApply,
            ApplyInputs(planned=planned, healthy=(), given=change.given(graph)),
            title="let the listener rules rewrite the URL",
            phase=Phase.DEPLOY,
        )
        return [probe(graph, name, after=[rewritten], timeout=120) for name in self.services]
