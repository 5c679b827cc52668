"""Recipes: typed Python that builds the step graph of one kind of change from a plan file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.graph import Graph
from lgtm_deploy.core.output import RecipeError
from lgtm_deploy.core.plan import Plan
from lgtm_deploy.core.stack import Stack

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A mistake in a plan file. `path` leads to it in the file, such as `("services", 0)`."""

    path: tuple[str | int, ...]
    message: str
    resolution: str = ""


class Recipe(BaseModel):
    """The options of one kind of change, as keys of a plan file, and the graph that they stand for.

    A subclass adds its options as pydantic fields, each with a description and an example, and overrides `build`. It is
    registered as an entry point of the group `lgtm_deploy.recipes` (docs/how-to/write-a-recipe.md).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    about: ClassVar[str] = ""
    """One sentence for the JSON Schema and the documentation."""

    services: Annotated[
        tuple[Name, ...],
        Field(
            min_length=1,
            description="The services that change, by their names in the stack file.",
            examples=[["tempo", "pyroscope"]],
        ),
    ]

    @property
    def changed(self) -> tuple[str, ...]:
        """The services whose values in the stack file a run depends on."""
        return self.services

    def build(self, graph: Graph, stack: Stack | None) -> Iterable[object]:
        """Add the steps. Pure: the same options and the same stack give the same graph again.

        Return the results of the last steps: a recipe that adds steps to those of another one takes them as `after`.
        `stack` is None where a plan is checked or drawn without a stack file.
        """
        raise NotImplementedError

    def faults(self, stack: Stack | None) -> Iterator[Fault]:
        """Return what is wrong with the options, held against the stack file where there is one."""
        yield from twice_or_unknown("services", self.services, stack)


def twice_or_unknown(
    key: str, names: tuple[str, ...], stack: Stack | None, before: tuple[str, ...] = ()
) -> Iterator[Fault]:
    """Return the services that the stack file does not have, or that are named more than once."""
    for position, name in enumerate(names):
        if name in (*before, *names[:position]):
            yield Fault(path=(key, position), message=f"'{name}' is here twice.")
        elif stack is not None:
            try:
                stack.service(name)
            except UsageError as error:
                yield Fault(path=(key, position), message=error.message, resolution=error.resolution)


def build(plan: Plan, stack: Stack | None) -> Graph:
    """Build the plan's graph, with the timeouts and retries of the plan file.

    Raises RecipeError when the recipe is faulty.
    """
    if plan.recipe is None:
        raise RecipeError(f"Plan '{plan.name}' has no recipe.")
    graph = Graph()
    plan.recipe.build(graph, stack)
    for name, node in graph.nodes.items():
        graph.nodes[name] = replace(
            node,
            timeout=plan.timeouts.get(node.step, node.timeout),
            retry=plan.retries.get(node.step, node.retry),
        )
    return graph


def unknown_steps(plan: Plan, graph: Graph) -> Iterator[Fault]:
    """Return the timeouts, retries, values and secrets that nothing in the graph takes."""
    steps = list(dict.fromkeys(node.step for node in graph.nodes.values()))
    variables = sorted(graph.variables)
    keys: Mapping[str, tuple[Mapping[str, object], list[str], str]] = {
        "timeouts": (plan.timeouts, steps, "The recipe has no step"),
        "retries": (plan.retries, steps, "The recipe has no step"),
        "vars": (plan.values, variables, "No step takes the variable"),
        "secrets": (plan.secrets, variables, "No step takes the secret"),
    }
    for key, (written, known, message) in keys.items():
        for name in written:
            if name not in known:
                advice = f"There are: {', '.join(known) or 'none'}."
                yield Fault(path=(key, name), message=f"{message} '{name}'.", resolution=advice)
