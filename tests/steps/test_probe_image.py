"""An image is tried out beside the one that runs, and what cannot work is refused with the reason."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.contract import Contract as Found
from lgtm_deploy.core.errors import InterruptedRunError, MissingToolError, RefusedError, TransientError
from lgtm_deploy.core.ports import ContainerSpec
from lgtm_deploy.core.read_paths import read_requests
from lgtm_deploy.core.stack import Paths, Probe, Rehearsal
from lgtm_deploy.core.step import Change, Nothing
from lgtm_deploy.fakes import Contract, FakeImageProbe, FakeTargetGroup
from lgtm_deploy.steps.probe_image import Inputs, Outputs, ProbeImage
from lgtm_deploy.steps.results import BuiltImage
from tests.core.recordings import recording, reply_of
from tests.steps.simulation import Simulation

QUERY = "/pyroscope/querier.v1.QuerierService/LabelNames"
EXPECTED = "/pyroscope/querier.v1.QuerierService/ProfileTypes"


def inputs_of(service: str, *, image: str, tag: str) -> Inputs:
    return Inputs(built=BuiltImage(service=service, image=image, tag=tag), releases={}, plans={})


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
        inputs = inputs_of(self.service, image="sha256:new", tag="new")
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
def tempo(tmp_path: Path) -> Trials:
    """Its health check does not move."""
    return Trials(tmp_path, "tempo", whole=True)


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
    broken = {EXPECTED: "unimplemented: 404 Not Found"}
    green = replace(pyroscope.contract, answers={**pyroscope.contract.answers, **broken}, statuses={EXPECTED: 404})

    assert pyroscope.refusal(green).startswith(
        f"pyroscope's new image: POST {EXPECTED} answers 404 (unimplemented: 404 Not Found), the stack file expects 200"
    )


def test_a_path_that_the_load_balancer_sends_here_must_not_get_lost(pyroscope: Trials) -> None:
    answers = dict(pyroscope.contract.answers)
    del answers["/pyroscope/ingest"]

    assert "/pyroscope/ingest, which the new image does not answer" in pyroscope.refusal(
        replace(pyroscope.contract, answers=answers)
    )


def bare(trials: Trials, **changed: object) -> None:
    """As little as a stack file can say of the service: no paths, probes or expectations."""
    stack = trials.world.stack
    service = replace(stack.service(trials.service), paths=Paths(), probes=(), expects=(), **changed)
    trials.step.stack = replace(stack, services={**stack.services, trials.service: service})


SEARCH, TAGS = "/api/search", "/api/v2/search/tags"


def moved(contract: Contract, answers: dict[str, tuple[int, str]]) -> Contract:
    """The image with further answers under the prefix."""
    return replace(contract, exchanges={("GET", f"/tempo{path}"): answer for path, answer in answers.items()})


def test_a_read_path_that_the_new_image_answers_with_500_is_refused_though_the_stack_file_names_none(
    tempo: Trials,
) -> None:
    bare(tempo, version="2.9.0")
    run_now(tempo, Contract(answers={"/ready": "ready", SEARCH: "{}", TAGS: "{}"}))

    assert (
        tempo.apply(moved(tempo.contract, {SEARCH: (200, "{}"), TAGS: (200, "{}")}))
        .told[-1]
        .endswith("6 read paths of Tempo 2.9.0: 2 answer under /tempo, 1 new, 3 fail on both")
    )
    reason = tempo.refusal(moved(tempo.contract, {SEARCH: (200, "{}"), TAGS: (500, "boom")}))
    assert reason == (
        "tempo's new image: GET /api/v2/search/tags answers 200 now, and the new image answers 500 (boom) at "
        "/tempo/api/v2/search/tags."
    )


def test_tempo_under_the_path_prefix_is_refused_with_the_setting_that_works(tempo: Trials) -> None:
    bare(tempo)
    run_now(tempo, Contract(answers={"/ready": "ready", SEARCH: "{}", TAGS: "{}"}))
    upstream = reply_of("tempo-2.3.1-path-prefix", Probe(path="/tempo/api/search?limit=1"))
    broken = moved(tempo.contract, {SEARCH: (upstream.status, upstream.body)})

    with pytest.raises(RefusedError) as refused:
        tempo.apply(broken)

    assert "answers 500 (upstream: (404) 404 page not found) at /tempo/api/search" in refused.value.message
    assert "Tempo's parts do not find each other under this prefix" in str(refused.value)
    assert "`http_api_prefix: /tempo`" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_server_that_hangs_on_each_query_is_refused_after_one_request_for_each_path(pyroscope: Trials) -> None:
    bare(pyroscope, version="1.13.5")
    queries = [each for each in read_requests(pyroscope.world.service("pyroscope"), 0.0) if each.verb == "POST"]
    run_now(pyroscope, Contract(answers={"/ready": "ready", **{each.path: "{}" for each in queries}}))
    prefixed = [("POST", f"/pyroscope{each.path}") for each in queries]
    hanging = replace(pyroscope.contract, exchanges=dict.fromkeys(prefixed, (0, "")))

    with pytest.raises(RefusedError) as refused:
        pyroscope.apply(hanging)

    assert f"and the new image does not answer within 6 s at {QUERY}" in refused.value.message
    assert "4 more read paths are lost" in refused.value.message
    assert "Pyroscope 1.13.5 asks itself without the prefix" in refused.value.resolution
    asked = [call.arguments["path"] for call in pyroscope.world.cloud.calls if call.name == "image_probe.ask"]
    # Once by each image: asking a server that hangs again would take as long again.
    assert [asked.count(path) for _, path in prefixed] == [2] * len(prefixed)


def test_pyroscope_2_0_4_is_asked_by_post_and_with_a_time_range(pyroscope: Trials) -> None:
    pyroscope.apply()

    asked = [call.arguments for call in pyroscope.world.cloud.calls if call.name == "image_probe.ask"]
    names = [json.loads(each["send"]) for each in asked if each["path"] == "/querier.v1.QuerierService/LabelNames"]
    assert {each["method"] for each in asked if each["path"].endswith("/ingest")} == {"POST"}
    assert {each["send"] for each in asked if each["path"].endswith("/ingest")} == {""}
    assert names
    assert all({"start", "end"} <= each.keys() for each in names)


def test_a_declared_probe_that_the_new_image_does_not_answer_is_refused_before_production_is_touched(
    tempo: Trials,
) -> None:
    bare(tempo)
    service = replace(tempo.step.stack.service("tempo"), probes=(Probe(path="/tempo/inner", body="here"),))
    tempo.step.stack = replace(tempo.step.stack, services={**tempo.step.stack.services, "tempo": service})

    assert tempo.refusal(tempo.contract) == (
        "tempo's new image: GET /tempo/inner answers 404 (404 page not found), the stack file expects 200 with 'here'."
    )


def test_an_image_that_exits_is_explained_by_its_first_error(portal: Trials) -> None:
    log = tuple(recording("mimir-2.16.0-runtime-config-s3")["log_tail"])

    reason = portal.refusal(replace(portal.contract, exit_code=1, log=log))

    assert "exits with code 1: first errors in its log: level=error" in reason
    assert "open s3://bucket/overrides.yaml: no such file or directory" in reason


def test_an_image_that_does_not_get_ready_is_explained_by_its_log(portal: Trials) -> None:
    log = ("level=info msg=starting", "level=error msg=no-quorum", "level=info msg=waiting")
    never = replace(portal.contract, health_paths=("/portal/ready",), ready_seconds=600, log=log)

    assert "/portal/ready answers 503 (not ready): first errors in its log: level=error msg=no-quorum" in (
        portal.refusal(never)
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
        "portal's new image: is not ready after 120 s: /ready answers 404 (404 page not found), "
        "/portal/ready answers 503"
    )


def test_a_tempo_that_has_lost_its_routes_is_refused_with_the_setting_to_use(tmp_path: Path) -> None:
    tempo = Trials(tmp_path, "tempo", whole=True)

    with pytest.raises(RefusedError) as refused:
        tempo.apply(replace(tempo.contract, health_paths=(), answers={}))

    assert "/ready answers 404 (404 page not found)" in refused.value.message
    assert "Tempo 2.9.0 serves no route but /tempo/metrics" in refused.value.resolution
    assert "`http_api_prefix: /tempo`" in refused.value.resolution


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


def run_now(trials: Trials, contract: Contract) -> None:
    for digest in trials.world.running(trials.service).deployments[-1].digests.values():
        trials.world.cloud.pushed[digest] = contract


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

    assert "the image that runs now fails here alike: it is not ready after 120 s" in reason


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
    inputs = inputs_of("portal", image="sha256:new", tag="new")

    with pytest.raises(InterruptedRunError, match="Stopped by a person"):
        portal.step.apply(inputs, portal.step.observe(inputs), stop)

    assert portal.probe.left == 0
    assert set(portal.world.cloud.images) == {"sha256:new"}


def test_the_image_that_runs_already_is_not_tried(portal: Trials) -> None:
    inputs = inputs_of("portal", image="", tag="before")

    proposal = portal.step.propose(inputs, portal.step.observe(inputs))

    assert isinstance(proposal, Nothing)
    assert isinstance(proposal.outputs.contract, Found)
    assert proposal.outputs.contract.skipped == "portal runs this image already"
