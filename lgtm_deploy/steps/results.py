"""The results that hold the documented order by their types.

A push takes a tested image, a deployment a pushed one, a gate a deployment, and the switch of the health checks the
healthy tasks of its services. Each names its service, so that no step works with the image of another one.
"""

from dataclasses import dataclass
from typing import NewType

# The strategy that the step `choose-strategy` has found. A recipe cannot write one down.
ChosenStrategy = NewType("ChosenStrategy", str)
# Where no strategy is asked for.
ANY_STRATEGY = ChosenStrategy("")


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """A service's image. `image` is the ID in the local engine; empty when the registry has it and nothing was built.
    `tag` is its tag in the registry."""

    service: str
    image: str
    tag: str


@dataclass(frozen=True, kw_only=True)
class TestedImage(BuiltImage):
    """An image that passed its smoke test, or that the stack file exempts from it."""

    __test__ = False


@dataclass(frozen=True, kw_only=True)
class PushedImage:
    """An image in the registry. `reference` is its name in a task definition: by digest, or by tag where Terraform
    names it so."""

    service: str
    digest: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A service deployment. `deployment` is its ARN: everything after is judged by it. `digest` is its image's."""

    service: str
    digest: str
    deployment: str
    task_definition: str


@dataclass(frozen=True, kw_only=True)
class HealthyTasks:
    """The new tasks of a service, which answer on their health path. `addresses` are those of the tasks."""

    service: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CompleteDeployment:
    """A service whose deployment is complete and whose targets are healthy. `digest` is the image that runs."""

    service: str
    digest: str
