"""preflight: may the change begin? All that speaks against it is said at once."""

from dataclasses import dataclass

from lgtm_deploy.core.gate import Gate, Open, Shut
from lgtm_deploy.core.preflight.facts import Survey
from lgtm_deploy.core.preflight.tasks import way
from lgtm_deploy.core.preflight.verdict import findings
from lgtm_deploy.core.step import Look
from lgtm_deploy.steps.preflight.survey import survey_of


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Names in the stack file: `services` are those that the plan changes, `dependents` those that change with them.

    `roots` are the Terraform roots that the plan's steps name. Those that release its services need not be among them.
    """

    services: tuple[str, ...]
    dependents: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """`task_probe` is how new tasks can be asked: `direct` or `shadow`. `told` is what was found."""

    task_probe: str
    told: tuple[str, ...] = ()


class Preflight(Look[Inputs, Survey, Outputs]):
    """Looks at everything that the plan is about to change, and at whom that would break; changes nothing."""

    takes = Inputs
    gives = Outputs

    def look(self, inputs: Inputs) -> Survey:
        """Raises TransientError when AWS does not answer."""
        return survey_of(
            self.stack, self.ports, services=inputs.services, dependents=inputs.dependents, roots=inputs.roots
        )

    def judge(self, inputs: Inputs, seen: Survey) -> Gate[Outputs]:
        """Open when nothing is wrong; else refused, with everything that is."""
        environment = self.stack.environment
        found = findings(environment, seen)
        if found.wrong:
            return Shut(reason=" ".join(found.wrong), kind="refused")
        return Open(outputs=Outputs(task_probe=way(environment, seen.services), told=found.told))
