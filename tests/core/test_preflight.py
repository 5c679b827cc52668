"""Small judgments of preflight, each by itself."""

from dataclasses import replace

import pytest

from lgtm_deploy.core.ports import Permission, ServiceState, TargetGroup
from lgtm_deploy.core.preflight.facts import RunningImage, ServiceFacts, Survey
from lgtm_deploy.core.preflight.images import is_of, pinned_tag, version_hint, way_back
from lgtm_deploy.core.preflight.permissions import wanted
from lgtm_deploy.core.preflight.storage import written_before
from lgtm_deploy.fakes.targets import FIVE_SECONDS
from tests.stacks import make_service

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
RUNNING = f"sha256:{'ab' * 32}"


def state(image: str) -> ServiceState:
    return ServiceState(
        name="lgtm-prod-tempo",
        task_definition="arn:aws-cn:ecs:cn-north-1:123456789012:task-definition/lgtm-tempo:7",
        images={"tempo": image},
        desired=1,
        running=1,
        pending=0,
        grace_period_seconds=0,
        minimum_healthy_percent=100,
        maximum_percent=200,
        circuit_breaker=True,
        target_groups=(),
        platform="linux/amd64",
        deployment="",
    )


def facts(image: str = "", *, pinned: str = "", running: RunningImage | None = None) -> ServiceFacts:
    service = make_service(
        name="tempo",
        container="tempo",
        repository="team/lgtm-tempo",
        pinned_tag=pinned,
        ecs_service="lgtm-prod-tempo",
    )
    return ServiceFacts(service=service, state=state(image), image=running, committed="")


@pytest.mark.parametrize(
    ("version", "written"),
    [
        ("2.9.0-20260116", "2.9.0"),
        ("2.9.0-20260116.1", "2.9.0"),
        ("v2.9.0_1a2b3c4d", "v2.9.0"),
        ("2.9-build.17", "2.9"),
    ],
)
def test_a_version_that_looks_like_a_tag_of_ones_own_is_told_apart(version: str, written: str) -> None:
    assert f"Write {written};" in version_hint(version)


@pytest.mark.parametrize("version", ["2.9.0", "12.1.0", "2.9.0-rc.1", "3.0.0-beta", "latest", "v2.9.0", ""])
def test_an_ordinary_version_is_no_tag(version: str) -> None:
    assert version_hint(version) == ""


@pytest.mark.parametrize(
    ("image", "fits"),
    [
        (f"{REGISTRY}/team/lgtm-tempo:stable", True),
        (f"{REGISTRY}/team/lgtm-tempo:2.9.0", False),
        # As a rollback leaves it.
        (f"{REGISTRY}/team/lgtm-tempo@{RUNNING}", True),
        (f"{REGISTRY}/other/lgtm-tempo@{RUNNING}", False),
        (f"{REGISTRY}/team/lgtm-tempo:stable@{RUNNING}", False),
        (f"{REGISTRY}/other/lgtm-tempo:stable", False),
        ("127.0.0.1:5000/team/lgtm-tempo:stable", True),
    ],
)
def test_a_pinned_tag_is_the_one_that_the_task_definition_names(image: str, fits: bool) -> None:
    assert (pinned_tag(facts(image, pinned="stable")).wrong == ()) is fits


@pytest.mark.parametrize(
    ("reference", "own"),
    [
        (f"{REGISTRY}/team/lgtm-tempo:stable", True),
        (f"{REGISTRY}/team/lgtm-tempo@{RUNNING}", True),
        (f"{REGISTRY}/team/lgtm-tempo", True),
        ("123456789012.dkr-ecr.eu-west-1.on.aws/team/lgtm-tempo:stable", True),
        ("123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com/team/lgtm-tempo:stable", True),
        (f"{REGISTRY}/team/lgtm-tempo-next:stable", False),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/team/lgtm-tempo:stable", False),
        ("210987654321.dkr.ecr.eu-west-1.amazonaws.com/team/lgtm-tempo:stable", False),
        ("docker.io/team/lgtm-tempo:stable", False),
    ],
)
def test_an_image_is_of_the_repository_of_this_very_registry(reference: str, own: bool) -> None:
    assert is_of(reference, f"{REGISTRY}/team/lgtm-tempo") is own


def test_what_is_deployed_by_digest_may_be_named_anyhow() -> None:
    assert pinned_tag(facts(f"{REGISTRY}/team/lgtm-tempo:anything")).wrong == ()


def test_the_tag_that_is_about_to_move_keeps_nothing() -> None:
    running = RunningImage(digest=RUNNING, tags=("stable",), expires=True)

    [wrong] = way_back(facts(pinned="stable", running=running)).wrong

    assert "has no tag but stable, which moves" in wrong
    assert way_back(facts(pinned="other", running=running)).wrong == ()


def test_the_command_that_keeps_an_image_names_repository_digest_and_a_tag() -> None:
    [wrong] = way_back(facts(running=RunningImage(digest=RUNNING, tags=(), expires=True))).wrong

    assert "aws ecr put-image --repository-name team/lgtm-tempo --image-tag rollback-abababababab" in wrong
    assert f"imageDigest={RUNNING}" in wrong


def test_permissions_are_asked_for_on_the_very_resources_in_any_partition() -> None:
    needed = wanted([facts()], cluster="prod")

    place = "cn-north-1:123456789012"
    assert Permission(
        action="ecs:UpdateService", resource=f"arn:aws-cn:ecs:{place}:service/prod/lgtm-prod-tempo"
    ) in needed  # fmt: skip
    assert Permission(
        action="ecr:PutImage", resource=f"arn:aws-cn:ecr:{place}:repository/team/lgtm-tempo"
    ) in needed  # fmt: skip
    assert not [each for each in needed if each.action.startswith("elasticloadbalancing")]


@pytest.mark.parametrize(("root", "asked"), [("ecs", True), ("other", False), ("", False)])
def test_terraform_that_replaces_a_task_definition_needs_to_deregister_it(root: str, asked: bool) -> None:
    released = replace(facts(), service=replace(facts().service, task_definition=root))

    needed = wanted([released], cluster="prod", replacing=("ecs",))

    assert (Permission(action="ecs:DeregisterTaskDefinition") in needed) is asked


def test_a_shadow_needs_only_what_bears_its_name_on_its_load_balancer() -> None:
    place = "arn:aws-cn:elasticloadbalancing:cn-north-1:123456789012"
    group = TargetGroup(
        arn=f"{place}:targetgroup/tempo-tg/1a2b", name="tempo-tg", health_check=FIVE_SECONDS, deregistration_delay=5
    )

    needed = wanted(
        [replace(facts(), group=group)],
        cluster="prod",
        shadows={"tempo": "shadow-prod-tempo-1f", "loki": "shadow-prod-loki-2e"},
        listener=f"{place}:listener/app/alb/3c/4d",
    )

    balancing = {
        (each.action.partition(":")[2], each.resource.removeprefix(place)) for each in needed if place in each.resource
    }
    assert balancing == {
        ("ModifyTargetGroup", ":targetgroup/tempo-tg/1a2b"),
        ("CreateTargetGroup", ":targetgroup/shadow-prod-tempo-1f/*"),
        ("DeleteTargetGroup", ":targetgroup/shadow-prod-tempo-1f/*"),
        ("RegisterTargets", ":targetgroup/shadow-prod-tempo-1f/*"),
        ("AddTags", ":targetgroup/shadow-prod-tempo-1f/*"),
        ("CreateRule", ":listener/app/alb/3c/4d"),
        ("DeleteRule", ":listener-rule/app/alb/3c/4d/*"),
        ("AddTags", ":listener-rule/app/alb/3c/4d/*"),
    }
    assert [each.action for each in needed if each.resource == "*"] == ["ecr:GetAuthorizationToken"]


@pytest.mark.parametrize(
    ("images", "todo"),
    [
        (
            {"agent": "docker.io/agent:1", "app": f"{REGISTRY}/team/lgtm-tempo:stable"},
            "It has: agent, app. Write `container: app` in the stack file.",
        ),
        ({"agent": "docker.io/agent:1"}, "It has: agent. Correct `container` in the stack file."),
    ],
)
def test_a_container_that_is_not_there_is_told_with_the_one_of_the_repository(
    images: dict[str, str], todo: str
) -> None:
    found = facts()
    found = replace(found, state=replace(state(""), images=images))

    assert pinned_tag(found).wrong == (f"The task definition of tempo has no container 'tempo'. {todo}",)


@pytest.mark.parametrize(
    ("reference", "tags", "version", "runs"),
    [
        (f"{REGISTRY}/pyroscope:1.13.5-1", (), "2.0.4", "1.13.5-1"),
        (f"{REGISTRY}/pyroscope@{RUNNING}", ("4acdccfd6c0b", "1.13.5"), "2.0.4", "1.13.5"),
        (f"{REGISTRY}/pyroscope:2.0.4-1", (), "2.1.0", ""),
        (f"{REGISTRY}/pyroscope:1.13.5-1", (), "1.14.0", ""),
        (f"{REGISTRY}/pyroscope:stable", ("stable",), "2.0.4", ""),
    ],
)
def test_profiles_from_before_pyroscope_2_are_told_of(
    reference: str, tags: tuple[str, ...], version: str, runs: str
) -> None:
    service = make_service(name="pyroscope", container="pyroscope", repository="pyroscope", version=version)
    seen = ServiceFacts(
        service=service,
        state=replace(state(""), images={"pyroscope": reference}),
        image=RunningImage(digest=RUNNING, tags=tags),
        committed="",
    )

    told = written_before(Survey(services=(seen,))).told

    assert len(told) == bool(runs)
    assert all(f"pyroscope runs {runs} and will run {version}" in line for line in told)
