"""An image is tried out beside the one that runs, and what cannot work is refused with the reason."""

from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.contract import Contract as Found
from lgtm_deploy.core.errors import InterruptedRunError, MissingToolError, RefusedError, TransientError
from lgtm_deploy.core.ports import ContainerSpec
from lgtm_deploy.core.stack import Rehearsal
from lgtm_deploy.core.step import Change, Nothing
from lgtm_deploy.fakes import Contract, FakeImageProbe, FakeTargetGroup
from lgtm_deploy.steps.probe_image import Inputs, Outputs, ProbeImage
from tests.steps.simulation import Simulation

QUERY = "/pyroscope/querier.v1.QuerierService/ProfileTypes"


class Trials:
    """One service's new image, tried out in the stack in which two health checks move, or in the `whole` example."""

    def __init__(self, workspace: Path, service: str, *, whole: bool = False) -> None:
        self.world = Simulation(workspace, whole=whole)
        self.service = service
        step = next(iter(self.world.job().steps.values()))
        self.probe = FakeImageProbe(self.world.cloud)
        self.step = ProbeImage(self.world.stack, replace(step.ports, image_probe=self.probe))
        self.contract = self.world.cloud.sources[
            (self.world.stack.directory / self.world.service(service).context).resolve()
        ].contract
        self.told: list[str] = []

    def apply(self, contract: Contract | None = None) -> Outputs:
        self.world.cloud.images["sha256:new"] = contract or self.contract
        inputs = Inputs(service=self.service, image="sha256:new", tag="new")
        seen = self.step.observe(inputs)
        assert isinstance(self.step.propose(inputs, seen), Change)
        return self.step.apply(inputs, seen, self.told.append)

    def refusal(self, contract: Contract) -> str:
        with pytest.raises(RefusedError) as refused:
            self.apply(contract)
        assert self.probe.left == 0
        return refused.value.message


@pytest.fixture
def portal(tmp_path: Path) -> Trials:
    return Trials(tmp_path, "portal")


@pytest.fixture
def pyroscope(tmp_path: Path) -> Trials:
    return Trials(tmp_path, "pyroscope")


def test_both_images_are_asked_on_both_paths(portal: Trials) -> None:
    slow = replace(portal.contract, health_paths=("/portal/ready",), ready_seconds=15)

    found = portal.apply(slow)

    contract = found.contract
    assert (contract.old_path, contract.new_path) == ("/ready", "/portal/ready")
    assert (contract.new.on("/portal/ready").healthy, contract.new.on("/ready").status) == (True, 404)
    assert (contract.old.on("/ready").healthy, contract.old.on("/portal/ready").status) == (True, 404)
    assert contract.new.ready_seconds >= 15
    assert "new image: /ready 404, /portal/ready 503" in portal.told
    assert any("/portal/ready" in line and "200 healthy" in line for line in found.told)
    assert portal.probe.left == 0


def test_a_green_health_check_with_broken_parts_behind_it_is_refused(pyroscope: Trials) -> None:
    broken = {QUERY: "unimplemented: 404 Not Found"}
    green = replace(pyroscope.contract, answers={**pyroscope.contract.answers, **broken}, statuses={QUERY: 404})

    assert pyroscope.refusal(green) == (
        f"pyroscope's new image: POST {QUERY} answers 404 (unimplemented: 404 Not Found), the stack file expects 200."
    )


def test_a_path_that_the_load_balancer_sends_here_must_not_get_lost(pyroscope: Trials) -> None:
    answers = dict(pyroscope.contract.answers)
    del answers["/pyroscope/ingest"]

    assert "/pyroscope/ingest, which the new image does not answer" in pyroscope.refusal(
        replace(pyroscope.contract, answers=answers)
    )


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "/ready",
            "inner-tg has the tasks of portal, too, and checks /ready for 200, which the new image answers with 404",
        ),
        ("/inner", "checks /inner for 200, which the new image answers with 404"),
        ("/portal/ready", ""),
    ],
)
def test_the_checks_of_further_target_groups_must_pass(portal: Trials, path: str, said: str) -> None:
    cloud = portal.world.cloud
    check = replace(cloud.groups[portal.world.service("portal").target_group].health_check, path=path)
    for group in (
        FakeTargetGroup(name="inner-tg", account=cloud.account, health_check=check),
        FakeTargetGroup(name="otlp-tg", account=cloud.account, check_port=4318),
    ):
        cloud.groups[group.name] = group
        portal.world.running("portal").groups.append(group)

    if said:
        assert said in portal.refusal(portal.contract)
    else:
        assert portal.apply().contract.new.on(path).healthy


def test_an_image_slower_than_the_check_waits_is_refused(portal: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lgtm_deploy.fakes.image_probe.SECONDS", 2.5)

    assert "/portal/ready answers 200 (ready) after 2.5 s, which is longer" in portal.refusal(portal.contract)


def test_an_image_that_is_never_ready_is_refused_with_what_each_path_answers(portal: Trials) -> None:
    never = replace(portal.contract, health_paths=("/portal/ready",), ready_seconds=600)

    assert portal.refusal(never).startswith(
        "portal's new image: is not ready after 60 s: /ready answers 404 (404 page not found), "
        "/portal/ready answers 503"
    )


def test_a_tempo_that_has_lost_its_routes_is_refused_with_the_setting_to_use(tmp_path: Path) -> None:
    tempo = Trials(tmp_path, "tempo", whole=True)

    with pytest.raises(RefusedError) as refused:
        tempo.apply(replace(tempo.contract, health_paths=(), answers={}))

    assert "/ready answers 404 (404 page not found)" in refused.value.message
    assert "Tempo 2.9.0 serves no route but /tempo/metrics" in refused.value.resolution
    assert "http_api_prefix" in refused.value.resolution


def test_what_an_image_lacks_that_exits_is_named_and_never_its_value(portal: Trials) -> None:
    service = portal.world.running("portal")
    service.spec = ContainerSpec(environment={"PLAIN": "a-value"}, secrets=("TOKEN",))

    reason = portal.refusal(replace(portal.contract, needs=("TOKEN",), log=("TOKEN is not set",)))

    assert reason == (
        "portal's new image: exits with code 1: last log lines: TOKEN is not set; the task definition's secrets TOKEN "
        "have no value here."
    )


def test_the_rehearsals_environment_goes_over_the_task_definitions(portal: Trials) -> None:
    stack = portal.world.stack
    rehearsed = replace(stack.service("portal"), rehearsal=Rehearsal(environment={"TOKEN": "local"}))
    portal.step.stack = replace(stack, services={**stack.services, "portal": rehearsed})

    found = portal.apply(replace(portal.contract, needs=("TOKEN",)))

    assert found.contract.new.on("/portal/ready").healthy


def test_an_image_that_runs_and_cannot_be_tried_out_here_is_told_and_refuses_nothing(portal: Trials) -> None:
    for digest in portal.world.running("portal").deployments[-1].digests.values():
        portal.world.cloud.pushed[digest] = Contract(exit_code=1, log=("no bucket",))

    found = portal.apply()

    assert found.contract.old.replies == ()
    assert "it exits with code 1: last log lines: no bucket" in found.told[-1]


def test_what_this_machine_cannot_do_is_not_called_the_images_fault(portal: Trials) -> None:
    lack = MissingToolError("The containers of the engine at X cannot be reached from here.", resolution="Go there.")
    portal.world.cloud.script.fail_next("image_probe.start", lack, times=2)

    with pytest.raises(RefusedError) as refused:
        portal.apply()

    assert refused.value.message.startswith("portal's new image cannot be tried out on this machine: The containers of")
    assert refused.value.resolution.startswith("Go there. Or leave the trial out, with `rehearsal.skip`")


def fail_pulls(portal: Trials, times: int) -> None:
    """Of the image that runs: the new one is in the engine already."""
    portal.world.cloud.script.fail_next("registry.pulled", TransientError("The registry is away."), times=times)


def test_a_running_image_that_does_not_come_is_asked_for_twice_and_then_told(portal: Trials) -> None:
    fail_pulls(portal, 2)
    found = portal.apply()

    assert found.contract.new.on("/portal/ready").healthy
    assert found.contract.old.replies == ()
    assert found.told[-1] == "the image that runs now could not be tried out here: The registry is away."

    fail_pulls(portal, 1)
    assert portal.apply().contract.old.on("/ready").healthy


NO_BUCKET = Contract(exit_code=1, log=("operation error S3: no such host",))


def run_now(portal: Trials, contract: Contract) -> None:
    for digest in portal.world.running("portal").deployments[-1].digests.values():
        portal.world.cloud.pushed[digest] = contract


@pytest.mark.parametrize(
    ("now", "alike"),
    [
        (NO_BUCKET, True),
        (replace(NO_BUCKET, exit_code=2), False),
        (Contract(answers={"/ready": "ready"}), False),
        (Contract(answers={"/ready": "ready"}, ready_seconds=600), False),
    ],
)
def test_what_fails_as_the_running_image_does_is_this_machines_lack(portal: Trials, now: Contract, alike: bool) -> None:
    run_now(portal, now)

    with pytest.raises(RefusedError) as refused:
        portal.apply(NO_BUCKET)

    said = "the image that runs now fails here alike: it exits with code 1: last log lines: operation error S3"
    assert (said in refused.value.message) is alike
    assert ("This machine lacks something that both need" in refused.value.resolution) is alike


def test_neither_gets_ready_for_want_of_the_same_thing(portal: Trials) -> None:
    run_now(portal, Contract(answers={"/ready": "ready"}, ready_seconds=600))

    reason = portal.refusal(replace(portal.contract, ready_seconds=600))

    assert "the image that runs now fails here alike: it is not ready after 60 s" in reason


def test_a_trial_is_in_the_environments_region_as_on_fargate(portal: Trials) -> None:
    portal.world.running("portal").spec = ContainerSpec(environment={"AWS_REGION": "eu-north-1"})
    portal.apply()

    specs = [call.arguments["spec"] for call in portal.world.cloud.calls if call.name == "image_probe.start"]
    region = portal.world.stack.environment.region
    assert [spec.environment for spec in specs] == [{"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": region}] * 2


def test_a_stop_on_the_way_leaves_nothing(portal: Trials) -> None:
    def stop(text: str) -> None:
        if "ready" in text:
            raise InterruptedRunError("Stopped by a person.")

    portal.world.cloud.images["sha256:new"] = portal.contract
    inputs = Inputs(service="portal", image="sha256:new", tag="new")

    with pytest.raises(InterruptedRunError, match="Stopped by a person"):
        portal.step.apply(inputs, portal.step.observe(inputs), stop)

    assert portal.probe.left == 0
    assert set(portal.world.cloud.images) == {"sha256:new"}


def test_the_image_that_runs_already_is_not_tried(portal: Trials) -> None:
    inputs = Inputs(service="portal", image="", tag="before")

    proposal = portal.step.propose(inputs, portal.step.observe(inputs))

    assert isinstance(proposal, Nothing)
    assert isinstance(proposal.outputs.contract, Found)
    assert proposal.outputs.contract.skipped == "portal runs this image already"
