"""verify: what worked before the run works after it, and the services that it changes work in every part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.step import Look
from lgtm_deploy.core.verify.finding import Finding
from lgtm_deploy.core.verify.gate import data_sources, standing, summary, verdicts
from lgtm_deploy.steps.verification import Verification
from lgtm_deploy.steps.verification.writing import write

# A load balancer takes seconds to follow a change, and so do programs that have just been started.
_AGAIN = 3.0


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`services`: those that must be ok in every check. `baseline`: the verdicts of a `verify` step before the change,
    by check; what was ok in it must be ok still. `mode: baseline` only takes those verdicts, whatever they are.
    `checks: data-sources` asks Grafana for its data sources, and nothing else.
    `write`: a record is written to each service and read back, too."""

    mode: Literal["baseline", "gate"] = "gate"
    checks: Literal["all", "data-sources"] = "all"
    services: tuple[str, ...] = ()
    baseline: Mapping[str, str] = field(default_factory=dict)
    write: bool = False


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What every check of every service found."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The verdict of every check, by its id.

    `data_sources` says what Grafana finds of each of its data sources, before and after the change.
    """

    verdicts: Mapping[str, str]
    data_sources: str = ""


class Verify(Look[Inputs, Seen, Outputs]):
    """Asks the whole stack as `lgtm-deploy verify` does."""

    takes = Inputs
    gives = Outputs

    def look(self, inputs: Inputs) -> Seen:
        """One round of all checks. Raises TransientError: AWS does not answer. UsageError: no such service."""
        services: list[Service] = list(self.stack.services.values())
        for name in inputs.services:
            self.stack.service(name)
        asking = Verification(self.stack, self.ports, login=self.ports.grafana)
        if inputs.checks == "data-sources":
            return Seen(findings=tuple(asking.data_sources(services)))
        findings = asking.read(services)
        if inputs.write:
            findings += write(asking, services)
        return Seen(findings=tuple(findings))

    def judge(self, inputs: Inputs, seen: Seen) -> Gate[Outputs]:
        """Open when nothing stands in the way."""
        wrong = standing(seen.findings, inputs.baseline, inputs.services) if inputs.mode == "gate" else []
        if wrong:
            return Waiting(reason=summary(wrong), poll_seconds=_AGAIN)
        found = verdicts(seen.findings)
        return Open(outputs=Outputs(verdicts=found, data_sources=data_sources(seen.findings, inputs.baseline)))
