"""What of a stack file a run stands on, and what has changed of it since."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from lgtm_deploy.core.stack import Environment, Health, Probe, Rehearsal, Stack, TerraformRoot
from lgtm_deploy.core.stack_inputs import differences, stack_inputs
from tests.stacks import make_service

TEMPO = make_service(
    name="tempo",
    version="2.3.1",
    ecs_service="lgtm-prod-tempo",
    port=3200,
    health=Health(path="/tempo/ready", variable="tempo_health_check_path"),
    probes=(Probe(path="/tempo/api/echo", send="hunter2"),),
    build_args={"TOKEN": "hunter2"},
    rehearsal=Rehearsal(environment={"PASSWORD": "hunter2"}),
)
PROD = Environment(
    name="prod",
    region="eu-central-1",
    account="111122223333",
    cluster="lgtm",
    endpoint="http://127.0.0.1:4566",
    state="s3://team/lgtm",
    build_args={"TOKEN": "hunter2"},
    terraform={"alb": TerraformRoot(name="alb", root="terraform/alb", var_files=("common.tfvars",))},
)
STACK = Stack(
    name="lgtm", directory=Path("/here"), services={"tempo": TEMPO, "loki": make_service(name="loki")}, environment=PROD
)


def with_tempo(**changes: Any) -> Stack:
    return replace(STACK, services={**STACK.services, "tempo": replace(TEMPO, **changes)})


def in_prod(**changes: Any) -> Stack:
    return replace(STACK, environment=replace(PROD, **changes))


def told(stack: Stack, *, way_back: bool = False) -> list[str]:
    before, now = stack_inputs(STACK, ["tempo"], "7f3a"), stack_inputs(stack, ["tempo"], "7f3a")
    return differences(before, now, way_back=way_back)


def test_the_same_file_has_no_differences() -> None:
    assert told(STACK) == []


def test_what_is_another_value_now_is_told_with_both() -> None:
    assert told(with_tempo(ecs_service="other", port=81)) == [
        "services.tempo.ecs_service is other (was lgtm-prod-tempo)",
        "services.tempo.port is 81 (was 3200)",
    ]
    assert told(in_prod(cluster="other")) == ["environments.prod.cluster is other (was lgtm)"]
    assert told(in_prod(terraform={})) == [
        "environments.prod.terraform.alb.name is not there (was alb)",
        "environments.prod.terraform.alb.root is not there (was terraform/alb)",
        "environments.prod.terraform.alb.var_files.1 is not there (was common.tfvars)",
    ]


def test_what_nobody_has_set_is_not_written_down() -> None:
    """A later version may know more of a service."""
    assert not [name for name in stack_inputs(STACK, ["tempo"], "7f3a") if name.endswith(("dockerfile", "task_probe"))]


def test_a_service_that_the_plan_does_not_touch_may_change() -> None:
    assert told(replace(STACK, services={"tempo": TEMPO, "mimir": make_service(name="mimir")})) == []


def test_where_an_environment_is_asked_and_remembered_may_change() -> None:
    assert told(in_prod(endpoint="sandbox", state="local", url="http://127.0.0.1:1", traces="direct")) == []


def test_what_undoing_does_not_go_by_may_change_before_it() -> None:
    forwards = with_tempo(version="2.3.2", health=replace(TEMPO.health, path="/ready"), probes=())

    assert len(told(forwards)) == 4
    assert told(forwards, way_back=True) == []
    assert told(with_tempo(health=replace(TEMPO.health, variable="x")), way_back=True) != []
    assert told(with_tempo(repository="x"), way_back=True) != []
    assert told(in_prod(account="1"), way_back=True) != []


def test_what_may_be_secret_is_told_by_a_salted_digest() -> None:
    one, other = stack_inputs(STACK, ["tempo"], "7f3a"), stack_inputs(STACK, ["tempo"], "91c2")

    digests = {name for name, text in one.items() if text.startswith("sha256:")}
    assert digests == {
        "services.tempo.build_args.TOKEN",
        "services.tempo.probes.1.send",
        "services.tempo.rehearsal.environment.PASSWORD",
        "environments.prod.build_args.TOKEN",
    }
    assert "hunter2" not in "".join(one.values())
    assert all(one[name] != other[name] for name in digests)


def test_nothing_is_known_of_a_run_that_an_earlier_version_began() -> None:
    assert differences({}, stack_inputs(STACK, ["tempo"], "7f3a")) == []
