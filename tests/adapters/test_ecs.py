"""ECS's answers, and changes that are sent once."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from lgtm_deploy.adapters.aws import Aws
from lgtm_deploy.adapters.ecs import EcsHost, EcsRollouts
from lgtm_deploy.adapters.ecs.host import LISTED_WITHIN, LOOK_EVERY
from lgtm_deploy.adapters.ecs.records import platform_of, task_state
from lgtm_deploy.adapters.ecs.together import GATHERING
from lgtm_deploy.core.errors import AccessError, InDoubtError, NotFoundError, PermanentError

CREATED = datetime(2026, 1, 16, tzinfo=UTC)
OLD, NEW = "arn:td/tempo:1", "arn:td/tempo:2"
DEPENDS = [{"containerName": "agent", "condition": "HEALTHY"}]
SERVICE = {"serviceName": "tempo", "taskDefinition": OLD, "status": "ACTIVE"}


class Ecs:
    """A cluster whose answers are scripted."""

    def __init__(self, aws: Aws, reads: Stubber, writes: Stubber) -> None:
        self.reads, self.writes = reads, writes
        self.pauses: list[float] = []
        self.host = EcsHost(aws, cluster="lgtm", pause=self._pause)
        self.rollouts = EcsRollouts(aws, cluster="lgtm", logs=Unreadable())

    def _pause(self, seconds: float) -> None:
        # What gathers calls that are made at once is not what a change waits for.
        if seconds != GATHERING:
            self.pauses.append(seconds)

    def expect_service(self, **fields: Any) -> None:
        self.reads.add_response("describe_services", {"services": [{**SERVICE, **fields}]})

    def expect_deployments(self, *numbers: int) -> None:
        found = [
            {
                "serviceDeploymentArn": f"arn:deployment/{number}",
                "targetServiceRevisionArn": f"arn:revision/{number}",
                "createdAt": CREATED + timedelta(seconds=number),
            }
            for number in numbers
        ]
        self.reads.add_response("list_service_deployments", {"serviceDeployments": found})

    def expect_revision(self, number: int, task_definition: str) -> None:
        revision = {"serviceRevisionArn": f"arn:revision/{number}", "taskDefinition": task_definition}
        asked = {"serviceRevisionArns": [f"arn:revision/{number}"]}
        self.reads.add_response("describe_service_revisions", {"serviceRevisions": [revision]}, asked)

    def expect_update(self, **asked: Any) -> None:
        answer = {"service": {**SERVICE, "taskDefinition": asked.get("taskDefinition", OLD)}}
        self.writes.add_response("update_service", answer, {"cluster": "lgtm", "service": "tempo", **asked})


class Unreadable:
    """Logs that may not be read."""

    def last_lines(self, group: str, stream: str, limit: int) -> list[str]:
        raise AccessError(f"{group}/{stream}")


@pytest.fixture
def ecs() -> Iterator[Ecs]:
    aws = Aws(region="eu-west-1", endpoint_url="http://aws.example")
    with ExitStack() as stack:
        reads, writes = (stack.enter_context(Stubber(each)) for each in (aws.reader("ecs"), aws.writer("ecs")))
        yield Ecs(aws, reads, writes)
        reads.assert_no_pending_responses()
        writes.assert_no_pending_responses()


def test_an_update_waits_until_its_own_deployment_is_listed(ecs: Ecs) -> None:
    ecs.expect_service()
    ecs.expect_deployments(1)
    ecs.expect_update(taskDefinition=NEW)
    ecs.expect_deployments(1)
    ecs.expect_deployments(3, 2, 1)
    ecs.expect_revision(2, NEW)

    assert ecs.host.update("tempo", task_definition=NEW) == "arn:deployment/2"
    assert ecs.pauses == [LOOK_EVERY]


def test_an_update_leaves_capacity_providers_and_launch_type_as_they_are(ecs: Ecs) -> None:
    """Stubs take no argument that is not expected: neither is sent."""
    ecs.expect_service(capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}])
    ecs.expect_deployments(1)
    ecs.expect_update(taskDefinition=NEW)
    ecs.expect_deployments(2, 1)
    ecs.expect_revision(2, NEW)

    assert ecs.host.update("tempo", task_definition=NEW) == "arn:deployment/2"


def test_a_service_tells_its_variables_checks_and_names(ecs: Ecs) -> None:
    alias = {"port": 3200, "dnsName": "traces"}
    connect = {"enabled": True, "services": [{"portName": "tempo", "clientAliases": [alias]}]}
    ecs.expect_service(
        serviceRegistries=[{"registryArn": "arn:registry"}],
        deployments=[{"status": "PRIMARY", "serviceConnectConfiguration": connect}, {"status": "ACTIVE"}],
    )
    containers = [
        {"name": "tempo", "image": "x", "environment": [{"name": "URL", "value": "http://loki:3100"}]},
        {"name": "agent", "image": "y", "healthCheck": {"command": ["CMD-SHELL", "ask /ready"]}},
        {"name": "proxy", "image": "z", "essential": False, "healthCheck": {"command": ["CMD", "ask"]}},
    ]
    ecs.reads.add_response("describe_task_definition", {"taskDefinition": {"containerDefinitions": containers}})
    ecs.expect_deployments(1)

    found = ecs.host.service("tempo")

    assert found.environment == {"tempo": {"URL": "http://loki:3100"}, "agent": {}, "proxy": {}}
    assert found.health_checks == {"agent": "CMD-SHELL ask /ready", "proxy": "CMD ask"}
    assert found.essential_checks == ("agent",)
    assert (found.aliases, found.registries) == (("traces",), ("arn:registry",))
    assert "loki" not in repr(found)


def test_names_in_cloud_map_are_left_out_where_they_may_not_be_asked_for() -> None:
    aws = Aws(region="eu-west-1", endpoint_url="http://aws.example")
    with Stubber(aws.reader("servicediscovery")) as reads:
        reads.add_response("get_service", {"Service": {"Name": "traces", "NamespaceId": "ns-1"}}, {"Id": "srv-1"})
        reads.add_response("get_namespace", {"Namespace": {"Name": "lgtm.local"}}, {"Id": "ns-1"})
        reads.add_client_error("get_service", "AccessDeniedException", http_status_code=400)

        names = EcsHost(aws, cluster="lgtm").registered_names(["arn:x:service/srv-1", "arn:x:service/srv-2"])

    assert names == ["traces.lgtm.local"]


@pytest.mark.parametrize(
    ("told", "health"), [("HEALTHY", "healthy"), ("UNHEALTHY", "unhealthy"), ("UNKNOWN", "unknown"), (None, "unknown")]
)
def test_a_tasks_container_health_is_told(told: str | None, health: str) -> None:
    said = {"healthStatus": told} if told else {}
    task = {"taskArn": "t", "taskDefinitionArn": NEW, "containers": [{"name": "tempo", **said}], **said}

    assert task_state(task).health == health
    assert task_state(task).health_of("tempo") == health


def test_a_forced_deployment_is_a_new_one_of_the_same_revision(ecs: Ecs) -> None:
    ecs.expect_deployments(1)
    ecs.expect_update(forceNewDeployment=True)
    ecs.expect_deployments(2, 1)
    ecs.expect_revision(2, OLD)

    assert ecs.host.update("tempo", force=True) == "arn:deployment/2"


def test_a_grace_period_starts_no_deployment_and_waits_for_none(ecs: Ecs) -> None:
    ecs.expect_service()
    ecs.expect_deployments(2, 1)
    ecs.expect_update(healthCheckGracePeriodSeconds=600)

    assert ecs.host.update("tempo", grace_period_seconds=600) == "arn:deployment/2"
    assert not ecs.pauses


def test_an_update_whose_deployment_never_shows_is_in_doubt(ecs: Ecs) -> None:
    ecs.expect_service()
    ecs.expect_deployments(1)
    ecs.expect_update(taskDefinition=NEW)
    for _ in range(int(LISTED_WITHIN / LOOK_EVERY)):
        ecs.expect_deployments(1)

    with pytest.raises(InDoubtError, match="no new service deployment appeared"):
        ecs.host.update("tempo", task_definition=NEW)
    assert sum(ecs.pauses) == LISTED_WITHIN


def test_an_update_that_cannot_be_followed_is_in_doubt(ecs: Ecs) -> None:
    ecs.expect_service()
    ecs.expect_deployments(1)
    ecs.expect_update(taskDefinition=NEW)
    ecs.reads.add_client_error("list_service_deployments", "AccessDeniedException", http_status_code=400)

    with pytest.raises(InDoubtError, match="was sent"):
        ecs.host.update("tempo", task_definition=NEW)


def test_an_unanswered_update_is_in_doubt(ecs: Ecs) -> None:
    ecs.expect_service()
    ecs.expect_deployments(1)
    ecs.writes.add_client_error("update_service", "ServerException", http_status_code=500)

    with pytest.raises(InDoubtError):
        ecs.host.update("tempo", task_definition=NEW)


def test_a_revision_keeps_all_that_may_be_registered_and_its_tags(ecs: Ecs) -> None:
    kept = {
        "family": "tempo",
        "networkMode": "awsvpc",
        "cpu": "256",
        "runtimePlatform": {"cpuArchitecture": "ARM64"},
        "containerDefinitions": [
            {"name": "tempo", "image": "old", "cpu": 1, "dependsOn": DEPENDS},
            {"name": "agent", "image": "agent:1"},
        ],
    }
    given = {"taskDefinitionArn": OLD, "revision": 1, "status": "ACTIVE", "registeredBy": "me", "compatibilities": []}
    tags = [{"key": "team", "value": "a"}]
    ecs.expect_service()
    ecs.reads.add_response("describe_task_definition", {"taskDefinition": {**kept, **given}, "tags": tags})
    asked = {
        **kept,
        "tags": tags,
        "containerDefinitions": [
            {"name": "tempo", "image": "new", "cpu": 1, "dependsOn": DEPENDS},
            {"name": "agent", "image": "agent:1"},
        ],
    }
    ecs.writes.add_response("register_task_definition", {"taskDefinition": {"taskDefinitionArn": NEW}}, asked)

    assert ecs.host.revise("tempo", {"tempo": "new"}) == NEW


def test_an_unknown_container_is_permanent_and_the_known_ones_are_named(ecs: Ecs) -> None:
    ecs.expect_service()
    definition = {"containerDefinitions": [{"name": "tempo", "image": "old"}]}
    ecs.reads.add_response("describe_task_definition", {"taskDefinition": definition})

    with pytest.raises(PermanentError, match=r"no container 'temp'\. It has: tempo\."):
        ecs.host.revise("tempo", {"temp": "new"})


def test_a_revision_that_is_known_is_not_asked_for_again(ecs: Ecs) -> None:
    definition = {"containerDefinitions": [{"name": "tempo", "image": "old"}]}
    ecs.expect_service()
    ecs.reads.add_response("describe_task_definition", {"taskDefinition": definition})
    ecs.expect_deployments(1)
    ecs.expect_service(runningCount=1)
    ecs.expect_deployments(1, 2)

    first, second = ecs.host.service("tempo"), ecs.host.service("tempo")

    assert (first.images, first.running, first.deployment) == ({"tempo": "old"}, 0, "arn:deployment/1")
    assert (second.images, second.running, second.deployment) == ({"tempo": "old"}, 1, "arn:deployment/2")


def test_a_deleted_service_is_not_found(ecs: Ecs) -> None:
    ecs.expect_service(status="INACTIVE")

    with pytest.raises(NotFoundError, match="no ECS service tempo"):
        ecs.host.service("tempo")


def expect_deployment(ecs: Ecs) -> None:
    described = {"serviceDeploymentArn": "arn:d", "status": "IN_PROGRESS", "targetServiceRevision": {"arn": "arn:r"}}
    ecs.reads.add_response("describe_service_deployments", {"serviceDeployments": [described]})


def test_a_revisions_digests_are_asked_for_until_they_are_known(ecs: Ecs) -> None:
    image = {"containerName": "tempo", "image": "x:1"}
    for images in ([], [image], [{**image, "imageDigest": "sha256:aa"}]):
        expect_deployment(ecs)
        revision = {"serviceRevisionArn": "arn:r", "taskDefinition": NEW, "containerImages": images}
        ecs.reads.add_response("describe_service_revisions", {"serviceRevisions": [revision]})
    expect_deployment(ecs)

    found = [ecs.rollouts.deployment("arn:d").digests for _ in range(4)]

    assert found == [{}, {}, {"tempo": "sha256:aa"}, {"tempo": "sha256:aa"}]


def test_tasks_are_described_by_the_hundred(ecs: Ecs) -> None:
    arns = [f"arn:task/{number}" for number in range(150)]
    ecs.reads.add_response("list_tasks", {"taskArns": arns[:100], "nextToken": "more"})
    ecs.reads.add_response("list_tasks", {"taskArns": arns[100:140]})
    ecs.reads.add_response("list_tasks", {"taskArns": arns[130:]})
    for some in (arns[:100], arns[100:]):
        tasks = [{"taskArn": arn, "taskDefinitionArn": OLD, "lastStatus": "RUNNING"} for arn in some]
        ecs.reads.add_response("describe_tasks", {"tasks": tasks}, {"cluster": "lgtm", "tasks": some})

    assert [task.arn for task in ecs.rollouts.tasks("tempo")] == arns


def test_logs_that_cannot_be_read_are_empty(ecs: Ecs) -> None:
    options = {"awslogs-group": "/lgtm", "awslogs-stream-prefix": "tempo"}
    container = {"name": "tempo", "logConfiguration": {"logDriver": "awslogs", "options": options}}
    definition = {"containerDefinitions": [container]}
    ecs.reads.add_response("describe_task_definition", {"taskDefinition": definition})
    task = task_state({"taskArn": "arn:task/1", "taskDefinitionArn": OLD})

    assert ecs.rollouts.last_lines(task, "tempo", 5) == ()
    assert ecs.rollouts.last_lines(task, "other", 5) == ()


@pytest.mark.parametrize(
    ("last", "desired", "status"),
    [
        ("PROVISIONING", "RUNNING", "pending"),
        ("PENDING", "STOPPED", "stopping"),
        ("RUNNING", "RUNNING", "running"),
        ("RUNNING", "STOPPED", "stopping"),
        ("DEPROVISIONING", "STOPPED", "stopping"),
        ("STOPPED", "STOPPED", "stopped"),
    ],
)
def test_a_tasks_status_is_where_it_is_and_where_it_goes(last: str, desired: str, status: str) -> None:
    task = {"taskArn": "a", "taskDefinitionArn": OLD, "lastStatus": last, "desiredStatus": desired}

    assert task_state(task).status == status


def test_a_tasks_address_is_that_of_its_interface() -> None:
    detail = [{"name": "subnetId", "value": "x"}, {"name": "privateIPv4Address", "value": "10.0.0.1"}]
    task = {"taskArn": "a", "taskDefinitionArn": OLD, "attachments": [{"details": detail}]}

    assert task_state(task).address == "10.0.0.1"


@pytest.mark.parametrize(
    ("platform", "spelled"),
    [
        (None, "linux/amd64"),
        ({"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}, "linux/arm64"),
        ({"cpuArchitecture": "X86_64", "operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}, "windows/amd64"),
    ],
)
def test_platforms_are_spelled_as_docker_does(platform: dict[str, str] | None, spelled: str) -> None:
    assert platform_of({"runtimePlatform": platform}) == spelled


@pytest.mark.parametrize(
    ("fields", "how"),
    [
        ({"deploymentController": {"type": "CODE_DEPLOY"}}, "is deployed by CODE_DEPLOY"),
        ({"deploymentConfiguration": {"strategy": "BLUE_GREEN"}}, "is deployed by strategy BLUE_GREEN"),
        ({"schedulingStrategy": "DAEMON"}, "is scheduled as DAEMON"),
    ],
)
def test_a_service_that_is_not_rolled_out_by_ecs_is_refused(ecs: Ecs, fields: dict[str, Any], how: str) -> None:
    ecs.expect_service(**fields)

    with pytest.raises(PermanentError, match=f"ECS service tempo {how}, and only"):
        ecs.host.service("tempo")


def test_a_service_of_an_external_controller_has_no_task_definition_and_is_refused_all_the_same(ecs: Ecs) -> None:
    service = {"serviceName": "tempo", "status": "ACTIVE", "deploymentController": {"type": "EXTERNAL"}}
    ecs.reads.add_response("describe_services", {"services": [service]})

    with pytest.raises(PermanentError, match="is deployed by EXTERNAL"):
        ecs.host.service("tempo")


def test_a_service_that_ecs_rolls_out_is_taken_as_it_is(ecs: Ecs) -> None:
    ecs.expect_service(
        deploymentController={"type": "ECS"},
        deploymentConfiguration={"strategy": "ROLLING"},
        schedulingStrategy="REPLICA",
    )
    definition = {"taskDefinitionArn": OLD, "containerDefinitions": [{"name": "tempo", "image": "tempo:2"}]}
    ecs.reads.add_response("describe_task_definition", {"taskDefinition": definition})
    ecs.expect_deployments(1)

    assert ecs.host.service("tempo").deployment == "arn:deployment/1"
