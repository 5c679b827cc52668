"""What speaks against a change is found before it begins: all of it, in one reason, with what to do."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.config import stack_file
from lgtm_deploy.core.errors import AccessError, TransientError
from lgtm_deploy.core.gate import Open, Shut
from lgtm_deploy.core.ports import ListenerRule
from lgtm_deploy.core.stack import Environment, Service
from lgtm_deploy.fakes import FakeCloud, FakeTargetGroup, fake_ports, lay
from lgtm_deploy.steps.preflight import Preflight
from lgtm_deploy.steps.preflight.step import Inputs, Outputs
from tests.steps.simulation import EXAMPLE, copy_example

DATA_SOURCES = "dockerfiles/grafana/config/provisioning/datasources/datasources.yaml"
PLANNED = Inputs(services=("tempo", "pyroscope"), dependents=("grafana",), roots=("alb",))


class Here:
    """A checkout of the example, and a cloud in which runs what ran before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "stack"
        copy_example(self.folder)
        self.stack = stack_file.load(self.folder / EXAMPLE.name, "prod")
        self.cloud: FakeCloud = lay(self.stack)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        assert old in path.read_text(encoding="utf-8")
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    def with_service(self, name: str, **changes: object) -> None:
        services = {**self.stack.services, name: replace(self.stack.service(name), **changes)}  # type: ignore[arg-type]
        self.stack = replace(self.stack, services=services)

    def with_environment(self, **changes: object) -> None:
        environment: Environment = replace(self.stack.environment, **changes)  # type: ignore[arg-type]
        self.stack = replace(self.stack, environment=environment)

    def service(self, name: str) -> Service:
        return self.stack.service(name)

    def group(self, name: str) -> str:
        return self.cloud.groups[self.service(name).target_group].arn

    def running(self, name: str) -> str:
        """The digest that runs."""
        return self.cloud.services[self.service(name).ecs_service].deployments[-1].digests[self.service(name).container]

    def gate(self, inputs: Inputs = PLANNED) -> Open[Outputs] | Shut:
        step = Preflight(self.stack, fake_ports(self.stack, self.cloud, self.folder))
        found = step.judge(inputs, step.look(inputs))
        assert isinstance(found, Open | Shut)
        return found

    def refusal(self, inputs: Inputs = PLANNED) -> str:
        found = self.gate(inputs)
        assert isinstance(found, Shut), found
        assert found.kind == "refused"
        assert "\n" not in found.reason
        return found.reason

    def outputs(self, inputs: Inputs = PLANNED) -> Outputs:
        found = self.gate(inputs)
        assert isinstance(found, Open), found
        return found.outputs


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_the_example_may_begin_and_is_told_what_was_looked_at(here: Here) -> None:
    outputs = here.outputs()

    assert outputs.task_probe == "direct"
    told = "\n".join(outputs.told)
    for word in (
        "tempo, pyroscope, grafana",
        "2 reached",
        "permissions: all",
        "/ready -> /pyroscope/ready",
        "/api/search -> /tempo/api/search",
        "gone: ",
    ):
        assert word in told
    assert f"{DATA_SOURCES}:29" in told


def test_nothing_is_changed_and_nothing_is_asked_twice(here: Here) -> None:
    here.cloud.calls.clear()
    here.outputs()

    calls = [(call.name, str(sorted(call.arguments.items()))) for call in here.cloud.calls]
    assert len(calls) == len(set(calls))
    assert {name.partition(".")[2] for name, _ in calls} == {
        "service", "deployment", "tasks", "target_group", "rules", "tags_of", "digest_of", "identity", "reaches", "may",
    }  # fmt: skip


def no_repository(here: Here) -> None:
    del here.cloud.repositories["lgtm-tempo"]


def no_service(here: Here) -> None:
    del here.cloud.services["lgtm-prod-pyroscope"]


def no_group(here: Here) -> None:
    del here.cloud.groups["lgtm-prod-grafana-tg"]


def no_balancer(here: Here) -> None:
    here.cloud.balancers.clear()


def no_base(here: Here) -> None:
    here.with_service("tempo", version="2.9.0-20260116")
    here.cloud.missing_bases.add("docker.io/grafana/tempo:2.9.0-20260116")
    here.edit("dockerfiles/tempo/Dockerfile", "${BASE_REGISTRY}", "docker.io")


def no_context(here: Here) -> None:
    shutil.rmtree(here.folder / "dockerfiles/grafana")
    here.cloud.sources.pop((here.folder / "dockerfiles/grafana").resolve())


def pinned_and_named_otherwise(here: Here) -> None:
    here.with_service("tempo", pinned_tag="2.9.0")


def no_container(here: Here) -> None:
    here.with_service("tempo", container="sidecar")


def untagged(here: Here) -> None:
    repository = here.cloud.repositories["lgtm-tempo"]
    repository.tags.clear()
    repository.expires_untagged = True


def gone(here: Here) -> None:
    del here.cloud.pushed[here.running("tempo")]


def bare_rule(here: Here) -> None:
    rule = ListenerRule(
        listener="arn:listener",
        port=443,
        protocol="HTTPS",
        priority=45,
        paths=("/ingest",),
        target_groups=(here.group("pyroscope"),),
    )
    here.cloud.listener_rules.append(rule)


def old_data_source(here: Here) -> None:
    here.edit(DATA_SOURCES, "http://tempo:3200/tempo", "http://tempo:3200")


def denied(here: Here) -> None:
    here.cloud.denied.add("ecs:UpdateService")


def cut_off(here: Here) -> None:
    here.cloud.reachable = False


def moved_check(here: Here) -> None:
    here.with_service("grafana", health=replace(here.service("grafana").health, path="/grafana/api/health"))


def another_services_group(here: Here) -> None:
    here.with_service("tempo", target_group="lgtm-prod-loki-tg")
    here.cloud.groups["lgtm-prod-loki-tg"] = FakeTargetGroup(name="lgtm-prod-loki-tg", account=here.cloud.account)


def inner_group(here: Here, path: str = "/ready", **changes: Any) -> None:
    """Pyroscope's tasks are in a second target group, as behind an internal load balancer."""
    check = replace(here.cloud.groups[here.service("pyroscope").target_group].health_check, path=path)
    group = FakeTargetGroup(name="pyroscope-inner-tg", account=here.cloud.account, health_check=check, **changes)
    here.cloud.groups[group.name] = group
    here.cloud.services[here.service("pyroscope").ecs_service].groups.append(group)


def nobody(here: Here) -> None:
    here.cloud.services[here.service("tempo").ecs_service].desired = 0


def instances(here: Here) -> None:
    here.cloud.groups[here.service("tempo").target_group].target_type = "instance"


CASES: list[tuple[Callable[[Here], None], tuple[str, ...]]] = [
    (no_repository, ("lgtm-tempo",)),
    (no_service, ("lgtm-prod-pyroscope",)),
    (no_group, ("lgtm-prod-grafana-tg",)),
    (no_balancer, ("lgtm-prod-alb",)),
    (no_base, ("grafana/tempo:2.9.0-20260116", "one variable", "Write 2.9.0;")),
    (no_context, ("grafana",)),
    (pinned_and_named_otherwise, ("lgtm-tempo:2.9.0", "names lgtm-tempo:before", "take `pinned_tag` out")),
    (no_container, ("sidecar", "It has: tempo")),
    (untagged, ("has no tag", "aws ecr put-image --repository-name lgtm-tempo")),
    (gone, ("lgtm-tempo has no longer", "no rollback")),
    (bare_rule, ("rule 45 of the listener on port 443", "/ingest to pyroscope", "/pyroscope/ingest")),
    (old_data_source, (f"{DATA_SOURCES}:29", "write http://tempo:3200/tempo")),
    (denied, ("ecs:UpdateService on arn:aws:ecs:", ":service/lgtm-prod-cluster/lgtm-prod-tempo")),
    (cut_off, ("cannot be reached from here", ":3200", "task_probe")),
    (
        another_services_group,
        ("registers its tasks in lgtm-prod-tempo-tg and not in lgtm-prod-loki-tg", "Correct `tar"),
    ),
    (inner_group, ("pyroscope-inner-tg", "checks /ready, which is not there after the change", "a path that stays")),
    (nobody, ("tempo runs no task", "lgtm-prod-tempo is 0", "Scale it up")),
    (instances, ("lgtm-prod-tempo-tg registers targets of type 'instance'", "target type ip")),
    (moved_check, ("lgtm-prod-grafana-tg checks /api/health", "/grafana/api/health")),
]


@pytest.mark.parametrize(("breaking", "named"), CASES, ids=[case[0].__name__ for case in CASES])
def test_it_is_refused_by_name_with_what_to_do(
    here: Here, breaking: Callable[[Here], None], named: tuple[str, ...]
) -> None:
    breaking(here)

    reason = here.refusal()

    for word in named:
        assert word in reason


@pytest.mark.parametrize("changes", [{"check_port": 4318}, {"checks_http": False}, {"path": "/elsewhere"}])
def test_a_further_target_group_that_asks_for_something_else_refuses_nothing(
    here: Here, changes: dict[str, Any]
) -> None:
    inner_group(here, **changes)

    told = "\n".join(here.outputs().told)

    assert ("pyroscope-inner-tg checks pyroscope in a way that is not tried out here" in told) is (
        "path" not in changes
    )


@pytest.mark.parametrize(("skip", "refused"), [("", False), ("it takes an hour", True)])
def test_a_further_check_of_which_the_stack_file_says_nothing_is_left_to_the_trial(
    here: Here, skip: str, refused: bool
) -> None:
    service = here.service("pyroscope")
    paths = replace(service.paths, moves=tuple(path for path in service.paths.moves if path != "/ready"))
    here.with_service("pyroscope", paths=paths, rehearsal=replace(service.rehearsal, skip=skip))
    inner_group(here)

    assert isinstance(here.gate(), Shut) is refused


def test_everything_is_said_at_once_and_once(here: Here) -> None:
    together = (no_repository, no_service, no_group, bare_rule, old_data_source, denied, cut_off)
    for breaking in together:
        breaking(here)

    reason = here.refusal()

    for breaking, named in CASES:
        if breaking in together:
            assert named[0] in reason, breaking.__name__
    assert ".;" not in reason
    parts = reason.split(". ")
    assert len(parts) == len(set(parts))


@pytest.mark.parametrize("call", ["rollouts.tasks", "rollouts.deployment", "registry.tags_of", "balancer.rules"])
def test_a_look_that_is_denied_does_not_hide_what_others_see(here: Here, call: str) -> None:
    here.cloud.script.fail_next(call, AccessError(f"{call}: no.", resolution="Ask for it."))
    old_data_source(here)

    reason = here.refusal()

    assert f"{call}: no. Ask for it." in reason
    assert DATA_SOURCES in reason


def test_what_aws_does_not_answer_is_asked_again_and_not_called_wrong(here: Here) -> None:
    here.cloud.script.throttle("rollouts.tasks", 1)

    with pytest.raises(TransientError):
        here.gate()
    assert here.outputs().task_probe == "direct"


def test_what_follows_and_stays_behind_is_to_be_coupled(here: Here) -> None:
    reason = here.refusal(Inputs(services=("tempo", "pyroscope")))

    assert "grafana names tempo's and pyroscope's path and must change with it" in reason
    assert "add it to the plan's `dependents`" in reason
    assert f"{DATA_SOURCES}:29 says http://tempo:3200/tempo" in reason


def test_what_follows_and_runs_already_needs_no_coupling(here: Here) -> None:
    only_services = Inputs(services=("tempo", "pyroscope"))
    image = deploy_committed(here, "grafana")

    assert here.outputs(only_services).told
    assert here.running("grafana") == image


def deploy_committed(here: Here, name: str) -> str:
    """Puts what is committed into the registry under its own tag, and onto the service."""
    from lgtm_deploy.steps.build_image import build_request, tag_of

    ports, service = fake_ports(here.stack, here.cloud, here.folder), here.service(name)
    request = build_request(here.stack, service, ports.host.service(service.ecs_service).platform)
    built = ports.builder.build(request, {}, lambda _: None)
    digest = ports.registry.push(built.id, service.repository, tag_of(ports.builder.identity(request)), lambda _: None)
    reference = ports.registry.reference(service.repository, digest)
    revision = ports.host.revise(service.ecs_service, {service.container: reference})
    ports.host.update(service.ecs_service, task_definition=revision)
    here.cloud.advance(300)
    return digest


def test_once_it_is_out_what_it_once_broke_does_not_refuse_it_again(here: Here) -> None:
    for name in ("tempo", "pyroscope", "grafana"):
        group = here.cloud.groups[here.service(name).target_group]
        group.health_check = replace(group.health_check, path=here.service(name).health.path)
        deploy_committed(here, name)
    bare_rule(here)
    here.cloud.repositories["lgtm-tempo"].expires_untagged = True
    here.cloud.denied.add("ecs:UpdateService")

    assert here.outputs().task_probe == "direct"


@pytest.mark.parametrize(("setting", "reachable", "way"), [
    ("auto", True, "direct"), ("auto", False, "shadow"), ("shadow", True, "shadow"), ("direct", True, "direct"),
])  # fmt: skip
def test_the_way_to_the_tasks(here: Here, setting: str, reachable: bool, way: str) -> None:
    here.with_environment(task_probe=setting)
    here.cloud.reachable = reachable

    assert here.outputs().task_probe == way


def test_neither_way_to_the_tasks_is_refused(here: Here) -> None:
    here.with_environment(task_probe="auto", load_balancer="nowhere")
    here.cloud.reachable = False

    reason = here.refusal()

    assert "cannot be reached from here" in reason
    assert "shadow target group cannot be made" in reason


def test_where_nobody_can_be_asked_the_needed_permissions_are_told(here: Here) -> None:
    here.cloud.may_ask = False

    told = "\n".join(here.outputs().told)

    for action in ("ecs:UpdateService", "ecr:PutImage", "elasticloadbalancing:ModifyTargetGroup"):
        assert action in told


def test_an_image_of_another_registry_is_not_missed_in_this_one(here: Here) -> None:
    service = here.service("tempo")
    running = here.cloud.services[service.ecs_service].deployments[-1]
    other = "999999999999.dkr.ecr.us-east-1.amazonaws.com/lgtm-tempo:2.3.1"
    running.revision.images[service.container] = other
    running.digests[service.container] = f"sha256:{'cd' * 32}"

    assert here.outputs().told


def test_an_untagged_image_that_stays_is_only_told(here: Here) -> None:
    here.cloud.repositories["lgtm-tempo"].tags.clear()

    assert any("has no tag" in line for line in here.outputs().told)


def test_a_health_check_in_the_dockerfile_is_found_in_its_own_image(here: Here) -> None:
    dockerfile = here.folder / "dockerfiles/pyroscope/Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + "HEALTHCHECK CMD ask http://localhost:4040/ready\n")

    assert "dockerfiles/pyroscope/Dockerfile:6 says http://localhost:4040/ready" in here.refusal()


def test_terraform_files_are_read_and_prose_is_not(here: Here) -> None:
    (here.folder / "terraform/README.md").write_text("http://tempo:3200\n")
    (here.folder / "dockerfiles/grafana/notes.txt").write_text("http://tempo:3200\n")
    here.edit("terraform/environments/prod/common.tfvars", "grafana   = {", 'grafana   = { T = "http://tempo:3200", ')

    reason = here.refusal()

    assert "terraform/environments/prod/common.tfvars:" in reason
    assert "README" not in reason
    assert "notes" not in reason
