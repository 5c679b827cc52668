"""The stack file's probes are asked through the load balancer."""

from dataclasses import replace
from pathlib import Path

from lgtm_deploy.core.gate import Open, Waiting
from lgtm_deploy.core.stack import Probe
from lgtm_deploy.fakes import Contract
from lgtm_deploy.steps.probe_paths import Inputs, ProbePaths
from tests.steps.simulation import Simulation

QUERY = "/pyroscope/querier.v1.QuerierService/LabelNames"


def gate(workspace: Path, *probes: Probe, **exchanges: tuple[int, str]) -> tuple[Simulation, ProbePaths]:
    """The gate of a service with these probes, whose image answers POST of QUERY so."""
    world = Simulation(workspace, changed=lambda service: replace(service, probes=probes))
    contract = Contract(answers={"/ready": "ready"}, exchanges={("POST", QUERY): exchanges["query"]})
    for task in world.running("pyroscope").tasks:
        task.deployment.contract = contract
    step = next(iter(world.job().steps.values()))
    return world, ProbePaths(world.stack, step.ports)


def test_a_probe_with_something_to_send_is_posted(tmp_path: Path) -> None:
    world, step = gate(tmp_path, Probe(path=QUERY, send='{"start":1}'), query=(200, "{}"))
    inputs = Inputs(service="pyroscope")

    assert isinstance(step.judge(inputs, step.look(inputs)), Open)
    [call] = [call for call in world.cloud.calls if call.name == "stack_probe.ask"]
    assert (call.arguments["method"], call.arguments["send"]) == ("POST", '{"start":1}')


def test_a_probe_that_hangs_is_a_failed_one_and_no_other_is_asked_meanwhile(tmp_path: Path) -> None:
    world, step = gate(tmp_path, Probe(path=QUERY), Probe(path="/ready"), query=(0, ""))
    inputs = Inputs(service="pyroscope")

    found = step.judge(inputs, step.look(inputs))

    assert isinstance(found, Waiting)
    assert "does not answer" in found.reason
    assert world.cloud.called("stack_probe.ask") == 1
