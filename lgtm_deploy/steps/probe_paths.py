"""probe-paths: the service answers through the load balancer, as its users ask it."""

from dataclasses import dataclass

from lgtm_deploy.core.errors import TransientError
from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.ports import Answer
from lgtm_deploy.core.stack import Probe, Service
from lgtm_deploy.core.step import Look


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`service` is its name in the stack file, whose `probes` are asked."""

    service: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The answer to each probe, or why there is none; what comes after one that got nothing is not asked."""

    answers: tuple[Answer | str, ...]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The paths that answered."""

    paths: tuple[str, ...]


class ProbePaths(Look[Inputs, Seen, Outputs]):
    """Asks from outside. Bodies are judged, not only codes: the default rule's login page answers 200 for others."""

    takes = Inputs
    gives = Outputs

    def look(self, inputs: Inputs) -> Seen:
        """Never raises for a probe that got nothing. It asks no further then: each that hangs takes its time."""
        service = self.stack.service(inputs.service)
        answers: list[Answer | str] = []
        for probe in service.probes:
            answers.append(self._ask(service, probe))
            if isinstance(answers[-1], str):
                break
        return Seen(answers=tuple(answers))

    def judge(self, inputs: Inputs, seen: Seen) -> Gate[Outputs]:
        """Open when every probe got what the stack file expects; a load balancer takes seconds to follow a change."""
        probes = self.stack.service(inputs.service).probes
        for probe, answer in zip(probes, seen.answers, strict=False):
            if isinstance(answer, str):
                return Waiting(reason=answer)
            if answer.status != probe.status:
                return Waiting(reason=f"{probe.path} answers {answer.status}, not {probe.status}{_body(answer)}")
            if probe.body not in (answer.body or ""):
                return Waiting(reason=f"{probe.path} answers without '{probe.body}'{_body(answer)}")
        return Open(outputs=Outputs(paths=tuple(probe.path for probe in probes)))

    def _ask(self, service: Service, probe: Probe) -> Answer | str:
        tenant = self.stack.tenant_of(service)
        try:
            return self.ports.stack_probe.ask(
                probe.path, method=probe.verb, send=probe.send, tenant=tenant, service=service.name
            )
        except TransientError as error:
            return str(error)


def _body(answer: Answer) -> str:
    text = " ".join((answer.body or "").split())[:60]
    return f": '{text}'" if text else ""
