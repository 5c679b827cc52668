"""The Terraform root that a plan changes, and what its plan may change there."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.graph import Graph, Phase
from lgtm_deploy.core.guard import Allowance
from lgtm_deploy.core.recipe import Fault, Name
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.steps.terraform_plan import PlanInputs, RootInputs, SavedPlan, TerraformInit, TerraformPlan


class AllowedChange(BaseModel):
    """A change that a Terraform plan may hold: resources of a type, actions, and of an update the attributes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: Annotated[
        str,
        Field(
            description="The type of the resources; `output` for output values.",
            examples=["aws_lb_listener_rule"],
        ),
    ]
    name: Annotated[
        str,
        Field(
            description="The address or name of the resources; `*` and `?` are wildcards.",
            examples=["module.alb.*"],
        ),
    ] = "*"
    actions: Annotated[
        tuple[Literal["update", "create", "delete", "replace"], ...],
        Field(min_length=1, description="The actions that may happen.", examples=[["update"]]),
    ] = ("update",)
    attributes: Annotated[
        tuple[str, ...],
        Field(
            description="The attributes that an update may change, as dotted paths, with all below them.",
            examples=[["health_check.path"]],
        ),
    ] = ()

    def value(self) -> Allowance:
        """Return it as the guard takes it."""
        return Allowance(type=self.type, name=self.name, actions=self.actions, attributes=self.attributes)


class RootChange(BaseModel):
    """A Terraform root of the environment, and what its plan may change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    root: Annotated[Name, Field(description="The root's name under `terraform:` of the environment.", examples=["alb"])]
    allow: Annotated[
        tuple[str | AllowedChange, ...],
        Field(
            description="What the plan may change; everything else is refused. A text is an attribute of the type that"
            " the recipe changes.",
            examples=[["health_check.path", "health_check.matcher"]],
        ),
    ] = ()
    variables: Annotated[
        dict[Name, Name],
        Field(
            description="Variables of Terraform, each with the variable of this plan (`vars`, `secrets` or `--var`)"
            " that has its value.",
            examples=[{"grafana_password": "password"}],
        ),
    ] = {}

    def given(self, graph: Graph) -> dict[str, str]:
        """Return the values of Terraform's variables, for the graph."""
        return {name: graph.variable(each) for name, each in self.variables.items()}

    def allowances(self, kind: str, *, without: str = "") -> tuple[Allowance, ...]:
        """Return what is allowed; a text is an attribute of resources of that kind."""
        attributes = tuple(each for each in self.allow if isinstance(each, str) and each != without)
        own = (Allowance(type=kind, attributes=attributes),) if attributes else ()
        return (*own, *(each.value() for each in self.allow if isinstance(each, AllowedChange)))


# One apply moves the health checks of all services of a plan.
OneRoot = Annotated[
    tuple[RootChange, ...],
    Field(
        min_length=1,
        max_length=1,
        description="The Terraform root that the plan applies, and what may change there.",
        examples=[[{"root": "alb", "allow": ["health_check.path"]}]],
    ),
]


def unknown_root(change: RootChange, stack: Stack | None) -> Iterator[Fault]:
    """Return the fault of a root that the environment does not have."""
    if stack is None:
        return
    try:
        stack.root(change.root)
    except UsageError as error:
        yield Fault(path=("terraform", 0, "root"), message=error.message, resolution=error.resolution)


def prepare_root(graph: Graph, root: str) -> object:
    """Add the step that prepares the root; it may run while images build."""
    return graph.add(
        "terraform-init",
        TerraformInit,
        RootInputs(root=root),
        title=f"prepare Terraform root {root}",
        phase=Phase.PREPARE,
    )


def save_plan(graph: Graph, change: RootChange, allow: tuple[Allowance, ...], prepared: object) -> SavedPlan:
    """Add the step that saves the plan to approve."""
    return graph.add(
        "terraform-plan",
        TerraformPlan,
        PlanInputs(root=change.root, allow=allow, variables=change.given(graph)),
        title=f"save the plan of Terraform root {change.root}",
        phase=Phase.PREPARE,
        after=[prepared],
    )
