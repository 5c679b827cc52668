"""What a plan of a Terraform root changes of one service's task definition, found, told and compared."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lgtm_deploy.core.errors import RefusedError
from lgtm_deploy.core.guard import breaches
from lgtm_deploy.core.terraform_release import (
    Release,
    allowed,
    guardable,
    more_replaced,
    released,
    released_at,
    resumable,
    scaled,
)
from tests.stacks import make_service

GRAFANA = make_service(name="grafana", repository="team/lgtm-grafana", ecs_service="obs-grafana", container="grafana")
ARN = "arn:aws:ecs:eu-west-1:123456789012:task-definition/grafana:7"
REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/lgtm-grafana"
DEFINITION = 'module.ecs["a.b"].module.grafana.aws_ecs_task_definition.this'
SERVICE = 'module.ecs["a.b"].aws_ecs_service.this["graf.ana"]'


def container(tag: str, **values: Any) -> dict[str, Any]:
    return {"name": "grafana", "image": f"{REPOSITORY}:{tag}", **values}


def as_aws_has_it(made: dict[str, Any]) -> dict[str, Any]:
    """With what ECS adds to a container definition."""
    return {"cpu": 0, "essential": True, "mountPoints": [], "volumesFrom": [], "systemControls": [], **made}


def state(*containers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        DEFINITION: {"family": "grafana", "arn": ARN, "container_definitions": json.dumps(containers)},
        "aws_ecs_task_definition.other": {"family": "other", "arn": "x", "container_definitions": "[]"},
        SERVICE: {"name": "obs-grafana", "cluster": "arn:aws:ecs:eu-west-1:1:cluster/obs", "task_definition": ARN},
        "aws_ecs_service.other": {"name": "obs-grafana", "cluster": "another", "task_definition": "other:1"},
    }


def entry(address: str, type: str, actions: list[str], **change: Any) -> dict[str, Any]:
    change = {"before_sensitive": {}, "after_sensitive": {}, "after_unknown": {}, **change}
    return {
        "address": address,
        "mode": "managed",
        "type": type,
        "name": "this",
        "change": {"actions": actions, **change},
    }


def replaced(
    before: Mapping[str, Any], after: Mapping[str, Any], *, order: tuple[str, str] = ("delete", "create"), **change: Any
) -> dict[str, Any]:
    old = {"family": "grafana", "cpu": "256", "arn": ARN, "revision": 7, "container_definitions": json.dumps([before])}
    new = {"family": "grafana", "cpu": "256", "container_definitions": json.dumps([after])}
    unknown = {"arn": True, "revision": True, "id": True}
    made = {"before": old, "after": new, "after_unknown": unknown, "replace_paths": [["container_definitions"]]}
    return entry(DEFINITION, "aws_ecs_task_definition", list(order), **{**made, **change})


def updated(**after: Any) -> dict[str, Any]:
    before = {"name": "obs-grafana", "cluster": "obs", "task_definition": ARN, "desired_count": 1}
    new = {"name": "obs-grafana", "cluster": "obs", "desired_count": 1, **after}
    return entry(
        SERVICE, "aws_ecs_service", ["update"], before=before, after=new, after_unknown={"task_definition": True}
    )


def document(*entries: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"format_version": "1.2", "resource_changes": list(entries), "complete": True, **more}


def found(known: Mapping[str, Mapping[str, Any]], shown: Mapping[str, Any]) -> Release:
    return released(GRAFANA, "obs", "ecs", known, shown, repository=REPOSITORY)


def judged(shown: Mapping[str, Any], release: Release) -> tuple[str, ...]:
    return (*breaches(guardable(shown), allowed([release])), *more_replaced(shown, [release]))


OLD, NEW = container("1"), container("2")
CHANGE = document(replaced(OLD, NEW), updated())


def test_service_and_task_definition_are_found_through_modules_and_keys() -> None:
    release = found(state(OLD), CHANGE)

    assert (release.definition, release.service, release.arn) == (DEFINITION, SERVICE, ARN)
    assert (release.reference, release.tag) == (f"{REPOSITORY}:2", "2")
    assert (release.replaces, release.deploys, release.changes) == (True, True, True)
    assert judged(CHANGE, release) == ()


def test_a_root_that_changes_nothing_has_the_image_of_its_state() -> None:
    release = found(state(as_aws_has_it(OLD)), {})

    assert (release.tag, release.changes, release.lines) == ("1", False, ())


def test_both_orders_of_a_replacement_are_allowed() -> None:
    shown = document(replaced(OLD, NEW, order=("create", "delete")), updated())

    assert judged(shown, found(state(OLD), shown)) == ()


def test_what_the_provider_reads_back_for_what_is_not_set_is_no_change() -> None:
    read_back = {"container_definitions": json.dumps([OLD]), "ipc_mode": "", "tags": {}, "volume": []}
    planned = {"container_definitions": json.dumps([NEW]), "ipc_mode": None, "tags": None, "volume": []}
    change = entry(DEFINITION, "aws_ecs_task_definition", ["delete", "create"], before=read_back, after=planned)
    shown = document(change, updated())

    assert judged(shown, found(state(OLD), shown)) == ()


def test_where_task_definitions_are_ignored_only_a_revision_is_registered() -> None:
    shown = document(replaced(OLD, NEW))

    release = found(state(OLD), shown)

    assert (release.replaces, release.deploys) == (True, False)
    assert judged(shown, release) == ()


def test_what_ecs_adds_is_no_change_and_the_rest_is_told_by_name() -> None:
    before = as_aws_has_it(
        container(
            "1",
            environment=[{"name": "A", "value": "1"}, {"name": "B", "value": "b"}],
            portMappings=[{"containerPort": 3000, "hostPort": 3000, "protocol": "tcp"}],
        )
    )
    after = container(
        "2",
        environment=[{"name": "B", "value": "b"}, {"name": "A", "value": "2"}],
        portMappings=[{"containerPort": 3000}],
        cpu=128,
    )
    shown = document(replaced(before, after), updated())

    names = {each.name: (each.before, each.after) for each in found(state(before), shown).changed}

    assert names == {
        "grafana.image": (f'"{REPOSITORY}:1"', f'"{REPOSITORY}:2"'),
        "grafana.environment.A": ('"1"', '"2"'),
        "grafana.cpu": ("nothing", "128"),
    }


CHECK = {"command": ["CMD-SHELL", "wget -q http://localhost:3000/api/health"]}


@pytest.mark.parametrize("times", [{}, {"interval": 30, "timeout": 5, "retries": 3, "startPeriod": 0}])
def test_the_times_that_ecs_adds_to_a_health_check_are_no_change(times: dict[str, int]) -> None:
    has = as_aws_has_it(container("1", healthCheck={**CHECK, "interval": 30, "timeout": 5, "retries": 3}))
    wanted = container("2", healthCheck={**CHECK, **times})
    shown = document(replaced(has, wanted), updated())
    release = found(state(has), shown)
    assert [each.name for each in release.changed] == ["grafana.image"]

    runs = as_aws_has_it(container("2", healthCheck=has["healthCheck"]))
    earlier = container("1", healthCheck={**CHECK, **times})
    back = found(state(runs), document(replaced(runs, earlier), updated()))

    assert release.astray(back) == ()


def test_another_time_of_a_health_check_is_told() -> None:
    has = as_aws_has_it(container("1", healthCheck={**CHECK, "interval": 30, "timeout": 5, "retries": 3}))
    shown = document(replaced(has, container("1", healthCheck={**CHECK, "interval": 5})), updated())

    assert [each.name for each in found(state(has), shown).changed] == ["grafana.healthCheck.interval"]


def test_no_secret_is_told_and_none_is_compared() -> None:
    before = container("1", environment=[{"name": "GF_PASSWORD", "value": "canary-one"}])
    after = container("2", environment=[{"name": "GF_PASSWORD", "value": "canary-two"}])
    shown = document(replaced(before, after), updated())

    release = found(state(before), shown)

    assert "canary" not in str(release)
    assert "grafana.environment.GF_PASSWORD (sensitive value) -> (sensitive value, changed)" in str(release.lines)


TOKEN = {"logDriver": "splunk", "options": {"splunk-token": "canary", "splunk-url": "https://splunk:8088"}}


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"environment": [{"name": "GF_DATABASE_PASSWD", "value": "canary"}]}, "environment.GF_DATABASE_PASSWD"),
        ({"environment": [{"name": "DATABASE_URL", "value": "postgres://u:canary@db/x"}]}, "environment.DATABASE_URL"),
        ({"environment": [{"name": "HOOK", "value": "https://hooks/T0/canarycanarycanary"}]}, "environment.HOOK"),
        ({"environment": [{"name": "A", "value": "https://x/y?token=canary"}]}, "environment.A"),
        ({"command": ["--password=canary"]}, "command"),
        ({"logConfiguration": TOKEN}, "logConfiguration.options.splunk-token"),
        ({"dockerLabels": {"a": "canary"}}, "dockerLabels.a"),
    ],
)
def test_a_value_that_may_be_a_secret_is_not_told(values: dict[str, Any], line: str) -> None:
    shown = document(replaced(OLD, container("1", **values)), updated())

    release = found(state(OLD), shown)

    assert f"grafana.{line} nothing -> (" in str(release.lines)
    assert "canary" not in str(release)


def test_images_numbers_plain_urls_and_references_are_told() -> None:
    secret = "arn:aws:secretsmanager:eu-west-1:1:secret:grafana"
    values = {
        "environment": [{"name": "URL", "value": "http://portal:8000/portal"}, {"name": "PORT", "value": "3000"}],
        "secrets": [{"name": "GF_PASSWORD", "valueFrom": secret}],
        "essential": False,
        "stopTimeout": 30,
    }
    shown = document(replaced(OLD, container("2", **values)), updated())

    assert {each.name: each.after for each in found(state(OLD), shown).changed} == {
        "grafana.image": f'"{REPOSITORY}:2"',
        "grafana.environment.URL": '"http://portal:8000/portal"',
        "grafana.environment.PORT": '"3000"',
        "grafana.secrets.GF_PASSWORD": f'"{secret}"',
        "grafana.essential": "false",
        "grafana.stopTimeout": "30",
    }


def test_values_that_are_not_told_are_compared_by_their_digest() -> None:
    old, new, other = (container("1", command=["-level", each]) for each in ("info", "debug", "error"))
    approved = found(state(old), document(replaced(old, new), updated()))

    assert approved.unlike(found(state(old), document(replaced(old, other), updated())), {})
    assert approved.astray(found(state(new), document(replaced(new, old), updated()))) == ()
    assert approved.astray(found(state(new), document(replaced(new, other), updated())))
    assert approved.still_changed({"container_definitions": json.dumps([as_aws_has_it(old)])}) == ""
    assert approved.still_changed({"container_definitions": json.dumps([new])})
    left = found(state(new), document(updated()))
    assert approved.unlike(left, state(as_aws_has_it(new))[DEFINITION]) == ()
    assert approved.unlike(left, state(other)[DEFINITION])


def test_containers_that_are_sensitive_as_a_whole_are_told_to_change() -> None:
    marks = {"container_definitions": True}
    before = container("1", environment=[{"name": "A", "value": "canary-one"}])
    shown = document(replaced(before, NEW, before_sensitive=marks, after_sensitive=marks), updated())

    release = found(state(before), shown)

    assert (release.tag, release.can_tell) == ("2", False)
    assert "canary" not in str(release)
    assert judged(shown, release) == ()


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (document(replaced(OLD, NEW), updated(desired_count=3)), "desired_count 1 -> 3 is not allowed"),
        (
            document(
                entry(
                    DEFINITION,
                    "aws_ecs_task_definition",
                    ["delete", "create"],
                    before={"cpu": "256", "container_definitions": json.dumps([OLD])},
                    after={"cpu": "512", "container_definitions": json.dumps([NEW])},
                )
            ),
            'cpu "256" -> "512" is not allowed',
        ),
        (
            document(replaced(OLD, NEW), entry("aws_ecs_task_definition.other", "aws_ecs_task_definition", ["create"])),
            "aws_ecs_task_definition.other: would be created",
        ),
        (
            document(
                replaced(OLD, NEW),
                {
                    **entry("data.aws_ami.x", "aws_ami", ["read"], before=None, after={}),
                    "mode": "data",
                },
            ),
            "a data source that is read only during the apply",
        ),
        (
            document(
                replaced(OLD, NEW),
                output_changes={"a": {"actions": ["update"], "before": "x", "after": "y", "after_unknown": False}},
            ),
            "output.a",
        ),
    ],
)
def test_nothing_else_may_change(shown: Mapping[str, Any], line: str) -> None:
    lines = judged(shown, found(state(OLD), shown))

    assert any(line in each for each in lines), lines


def test_a_data_source_of_the_newest_revision_and_outputs_that_follow_are_no_further_change() -> None:
    looked_up = entry("data.aws_ecs_task_definition.x", "aws_ecs_task_definition", ["read"], before=None, after={})
    output = {"actions": ["update"], "before": ARN, "after_unknown": True}
    shown = document(replaced(OLD, NEW), {**looked_up, "mode": "data"}, updated(), output_changes={"arn": output})

    assert judged(shown, found(state(OLD), shown)) == ()


def test_a_plan_that_is_made_again_has_to_have_the_same_lines() -> None:
    approved = found(state(OLD), CHANGE)
    assert approved.unlike(found(state(OLD), CHANGE), {}) == ()

    other = found(state(OLD), document(replaced(OLD, container("3")), updated()))

    assert approved.unlike(other, {}) == (
        f'approved, and not planned now: grafana.image "{REPOSITORY}:1" -> "{REPOSITORY}:2"',
        f'planned now, and not approved: grafana.image "{REPOSITORY}:1" -> "{REPOSITORY}:3"',
    )


def created(after: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    new = {"family": "grafana", "cpu": "256", "container_definitions": json.dumps([after]), **values}
    return entry(DEFINITION, "aws_ecs_task_definition", ["create"], before=None, after=new)


@pytest.mark.parametrize(
    ("left", "alike"),
    [
        (created(NEW), True),
        (created(container("3")), False),
        (created(container("2", cpu=1)), False),
        (created(NEW, cpu="512"), False),
    ],
)
def test_the_second_half_of_a_replacement_is_as_approved(left: Mapping[str, Any], *, alike: bool) -> None:
    shown = document(left, updated())
    now = released_at(GRAFANA, "ecs", (DEFINITION, SERVICE), {SERVICE: state(OLD)[SERVICE]}, shown)

    assert (found(state(OLD), CHANGE).unlike(now, {}) == ()) is alike
    assert breaches(guardable(shown), allowed([now], held=True)) == ()
    assert "would be created" in str(breaches(guardable(shown), allowed([now])))


@pytest.mark.parametrize(
    ("known", "alike"), [(as_aws_has_it(NEW), True), (as_aws_has_it(OLD), False), (container("3"), False)]
)
def test_a_service_that_is_left_to_be_updated_is_as_approved(known: dict[str, Any], *, alike: bool) -> None:
    now = found(state(known), document(updated()))

    assert (found(state(OLD), CHANGE).unlike(now, state(known)[DEFINITION]) == ()) is alike


def test_a_revision_that_is_left_to_be_deregistered_is_no_further_change() -> None:
    """Terraform has made the new one first, and was killed."""
    deposed = {**entry(DEFINITION, "aws_ecs_task_definition", ["delete"], before={}, after=None), "deposed": "8a2f"}
    shown = document(updated(), deposed)
    now = found(state(NEW), shown)

    assert (now.replaces, now.deploys) == (False, True)
    assert breaches(guardable(resumable(shown, now)), allowed([now], held=True)) == ()
    assert "deposed" in str(breaches(guardable(shown), allowed([now])))


def test_a_way_back_has_to_bring_back_each_value_and_nothing_else() -> None:
    release = found(state(OLD), CHANGE)

    back = found(state(NEW), document(replaced(NEW, OLD), updated()))
    assert release.astray(back) == ()

    other = found(state(NEW), document(replaced(NEW, container("0", cpu=1)), updated()))
    assert release.astray(other) == (
        f'grafana.image would not be "{REPOSITORY}:1" again',
        "grafana.cpu would change, too",
    )


def test_on_the_way_back_the_desired_count_may_change_and_is_told() -> None:
    shown = document(replaced(NEW, OLD), updated(desired_count=3))
    back = found(state(NEW), shown)

    assert breaches(guardable(shown), allowed([back], held=True, back=True)) == ()
    assert "desired_count" in str(breaches(guardable(shown), allowed([back], held=True)))
    assert scaled(shown, back) == (f"{SERVICE}: desired_count 1 -> 3",)
    assert scaled(CHANGE, back) == ()


def test_the_state_tells_whether_it_is_back() -> None:
    release = found(state(OLD), CHANGE)

    assert release.still_changed({"container_definitions": json.dumps([as_aws_has_it(OLD)])}) == ""
    assert "grafana.image is not" in release.still_changed({"container_definitions": json.dumps([NEW])})
    assert release.still_changed({})


def test_containers_that_are_known_after_the_apply_only_are_refused() -> None:
    unknown = {"container_definitions": True}
    shown = document(replaced(OLD, NEW, after_unknown=unknown))

    with pytest.raises(RefusedError, match="nobody can approve them"):
        found(state(OLD), shown)


def test_a_service_that_is_there_twice_is_refused() -> None:
    known = state(OLD)
    known["aws_ecs_service.twin"] = known[SERVICE]

    with pytest.raises(RefusedError, match="more than one aws_ecs_service"):
        found(known, {})


def test_a_service_without_the_container_is_refused() -> None:
    with pytest.raises(RefusedError, match="no container 'grafana'"):
        found(state({"name": "sidecar", "image": "x:1"}), {})


def test_an_image_of_another_repository_is_refused() -> None:
    with pytest.raises(RefusedError, match="which is not in team/lgtm-grafana"):
        found(state({"name": "grafana", "image": "docker.io/grafana/grafana:1"}), {})


LOCAL = "127.0.0.1:4510/team/lgtm-grafana"


@pytest.mark.parametrize(
    ("named", "repository", "accepted"),
    [
        (REPOSITORY, REPOSITORY, True),
        ("team/lgtm-grafana", REPOSITORY, True),
        (REPOSITORY.replace("dkr.ecr.eu-west-1.amazonaws.com", "dkr-ecr.eu-west-1.on.aws"), REPOSITORY, True),
        ("docker.io/team/lgtm-grafana", REPOSITORY, False),
        ("docker.io/acme/team/lgtm-grafana", REPOSITORY, False),
        ("acme/team/lgtm-grafana", REPOSITORY, False),
        (REPOSITORY.replace("123456789012", "210987654321"), REPOSITORY, False),
        (REPOSITORY.replace("eu-west-1", "us-east-1"), REPOSITORY, False),
        (LOCAL, REPOSITORY, False),
        (LOCAL.replace("4510", "4600"), LOCAL, True),
        (REPOSITORY, LOCAL, True),
        ("docker.io/team/lgtm-grafana", LOCAL, False),
    ],
)
def test_the_image_is_in_the_registry_that_is_pushed_to(named: str, repository: str, *, accepted: bool) -> None:
    known = state({"name": "grafana", "image": f"{named}:1"})

    if accepted:
        assert released(GRAFANA, "obs", "ecs", known, {}, repository=repository).reference == f"{named}:1"
    else:
        with pytest.raises(RefusedError, match=f"which is not in {repository}"):
            released(GRAFANA, "obs", "ecs", known, {}, repository=repository)
