"""What a task shows of itself: its end, its output, its addresses and its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.shim.cloud import CLUSTER, LABEL, Cloud, running, wait_until

pytestmark = pytest.mark.sandbox


def run(cloud: Cloud, definition: str) -> str:
    answer = cloud.client("ecs").run_task(
        cluster=CLUSTER,
        taskDefinition=definition,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
    )
    arn: str = answer["tasks"][0]["taskArn"]
    return arn


def stopped(cloud: Cloud, arn: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        task = cloud.client("ecs").describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]
        return task if task["lastStatus"] == "STOPPED" else None

    found = wait_until(look, 15, "the task stops")
    assert found is not None
    return found


def test_exited_task_keeps_its_exit_code_and_its_last_words(cloud: Cloud) -> None:
    arn = run(cloud, cloud.register("exited", cloud.image("app", "dying")))
    task = stopped(cloud, arn)
    assert (task["stopCode"], task["containers"][0]["exitCode"]) == ("EssentialContainerExited", 3)
    assert task["stoppedReason"] == "Essential container in task exited"
    stream = f"shim/app/{arn.rpartition('/')[2]}"
    events = cloud.client("logs").get_log_events(logGroupName="/shim", logStreamName=stream)["events"]
    assert [event["message"] for event in events] == ["hello from dying", "last words of dying"]
    assert arn in cloud.client("ecs").list_tasks(cluster=CLUSTER, desiredStatus="STOPPED")["taskArns"]


def test_image_that_is_not_in_the_registry_fails_the_start(cloud: Cloud) -> None:
    cloud.serve("absent", cloud.register("absent", cloud.image("app", "never-pushed")))
    wait_until(lambda: cloud.tasks("absent", "STOPPED"), 10, "a task fails to start")
    [task, *_] = cloud.tasks("absent", "STOPPED")
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError: ")
    assert "not found" in task["stoppedReason"]
    wait_until(lambda: cloud.deployments("absent")[0]["status"] == "STOPPED", 15, "the breaker stops the deployment")


def test_images_that_are_still_pushed_or_made_are_waited_for_and_others_are_not(tmp_path: Path, server: Path) -> None:
    vendors = f"grafana/made-{tmp_path.name[-12:].replace('_', '-').strip('-')}:v1"
    with running(Cloud(directory=tmp_path, environment={"SANDBOX_AWAITED": f"late,{vendors}"})) as cloud:
        for name in ("late", "other"):
            cloud.client("ecr").create_repository(repositoryName=name)
        cloud.serve("late", cloud.register("late", cloud.image("late", "v1")))
        cloud.serve("made", cloud.register("made", f"docker.io/{vendors}"))
        cloud.serve("other", cloud.register("other", cloud.image("other", "v1")))

        wait_until(lambda: cloud.tasks("other", "STOPPED"), 10, "the task without an image stops")
        cloud.push(server, "late", "v1", DEFAULT=200)
        cloud.engine.images.get(cloud.image("late", "v1")).tag(*vendors.split(":"))
        for name in ("late", "made"):
            cloud.wait_steady(name)
            assert cloud.tasks(name, "STOPPED") == []
        cloud.engine.images.remove(vendors, force=True)


def test_missing_log_group_fails_the_start(cloud: Cloud) -> None:
    options = {"awslogs-group": "/nowhere", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "x"}
    logging = {"logDriver": "awslogs", "options": options}
    task = stopped(cloud, run(cloud, cloud.register("logless", cloud.image("app", "good"), logConfiguration=logging)))
    assert task["stoppedReason"].startswith("ResourceInitializationError: failed to validate logger args")


def test_running_task_shows_its_address_twice_and_its_container_is_labelled(cloud: Cloud) -> None:
    cloud.serve("shown", cloud.register("shown", cloud.image("app", "good")))
    cloud.wait_steady("shown")
    [task] = cloud.tasks("shown")
    [detail] = [d for d in task["attachments"][0]["details"] if d["name"] == "privateIPv4Address"]
    assert task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"] == detail["value"]
    assert task["createdAt"] <= task["startedAt"]
    labels = [f"{LABEL}={cloud.name}", f"com.amazonaws.ecs.task-arn={task['taskArn']}"]
    [container] = cloud.engine.containers.list(filters={"label": labels})
    assert container.ports == {}


def test_unhealthy_container_is_replaced(cloud: Cloud, server: Path) -> None:
    cloud.push(server, "app", "ill", MARK="ill", DEFAULT=200, HEALTH_EXIT=1)
    check = {"command": ["CMD", "/server", "check"], "interval": 1, "timeout": 1, "retries": 1}
    cloud.serve("ill", cloud.register("ill", cloud.image("app", "ill"), healthCheck=check))
    wait_until(lambda: cloud.tasks("ill", "STOPPED"), 20, "a task is stopped")
    assert cloud.tasks("ill", "STOPPED")[0]["stoppedReason"] == "Task failed container health checks"
    assert cloud.service("ill")["deployments"][0]["failedTasks"] >= 1


def test_grace_period_holds_a_slow_start(cloud: Cloud, server: Path) -> None:
    cloud.push(server, "app", "slow", MARK="slow", DEFAULT=200, READY_AFTER=8)
    definition = cloud.register("slow", cloud.image("app", "slow"))
    cloud.serve("slow", definition, healthCheckGracePeriodSeconds=90, checks={"HealthyThresholdCount": 4})
    cloud.wait_steady("slow", 30)
    assert cloud.tasks("slow", "STOPPED") == []
    seen = [(r["from"], r["to"]) for r in cloud.records("target", target_group="slow")]
    # It was marked unhealthy in between, so the healthy threshold counts in full.
    assert seen == [(None, "initial"), ("initial", "unhealthy"), ("unhealthy", "healthy")]


def test_immutable_tag_and_missing_image_are_refused(cloud: Cloud, server: Path) -> None:
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="fixed", imageTagMutability="IMMUTABLE")
    cloud.push(server, "fixed", "one", MARK="first")
    cloud.push(server, "fixed", "one", MARK="first")
    with pytest.raises(AssertionError, match="immutable"):
        cloud.push(server, "fixed", "one", MARK="second")
    with pytest.raises(ClientError) as refused:
        ecr.describe_images(repositoryName="fixed", imageIds=[{"imageTag": "two"}])
    assert refused.value.response["Error"]["Code"] == "ImageNotFoundException"


def test_containers_of_a_task_share_an_address_and_a_side_one_may_end(cloud: Cloud) -> None:
    ports = [{"containerPort": 8080}]
    containers = [
        {
            "name": "app",
            "image": cloud.image("app", "good"),
            "essential": True,
            "portMappings": ports,
            "stopTimeout": 2,
        },
        {"name": "side", "image": cloud.image("app", "dying"), "essential": False},
    ]
    definition = cloud.define("pair", *containers)
    cloud.serve("pair", definition)
    cloud.wait_steady("pair")
    [task] = cloud.tasks("pair")
    app, side = task["containers"]
    assert (app["lastStatus"], side["lastStatus"], side["exitCode"]) == ("RUNNING", "STOPPED", 3)
    assert app["networkInterfaces"] == side["networkInterfaces"] != []


def test_target_group_without_a_listener_is_refused(cloud: Cloud) -> None:
    group = cloud.target_group("loose", rule=False)
    definition = cloud.register("loose", cloud.image("app", "good"))
    balancers = [{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}]
    with pytest.raises(ClientError, match="does not have an associated load balancer"):
        cloud.client("ecs").create_service(
            cluster=CLUSTER, serviceName="loose", taskDefinition=definition, desiredCount=1, loadBalancers=balancers
        )


def test_container_that_cannot_start_says_so_and_leaves_nothing(cloud: Cloud) -> None:
    arn = run(cloud, cloud.register("unstartable", cloud.image("app", "good"), entryPoint=["/nowhere"]))
    task = stopped(cloud, arn)
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotStartContainerError: ")
    label = f"com.amazonaws.ecs.task-arn={arn}"
    assert cloud.engine.containers.list(all=True, filters={"label": label}) == []


def test_container_removed_behind_the_scenes_is_replaced(cloud: Cloud) -> None:
    cloud.serve("snatched", cloud.register("snatched", cloud.image("app", "good")))
    cloud.wait_steady("snatched")
    [task] = cloud.tasks("snatched")
    label = f"com.amazonaws.ecs.task-arn={task['taskArn']}"
    [container] = cloud.engine.containers.list(filters={"label": label})
    container.remove(force=True)
    wait_until(lambda: cloud.tasks("snatched", "STOPPED"), 10, "the loss is seen")
    assert cloud.tasks("snatched", "STOPPED")[0]["containers"][0]["exitCode"] == 137
    cloud.wait_steady("snatched")


def test_image_of_another_platform_is_not_pulled(cloud: Cloud) -> None:
    cloud.push_as("arm64", "app", "good", "arm")
    for family, tag, architecture, platform in [
        ("arm-on-x86", "arm", "X86_64", "linux/amd64"),
        ("x86-on-arm", "good", "ARM64", "linux/arm64"),
    ]:
        fields = {"runtimePlatform": {"cpuArchitecture": architecture, "operatingSystemFamily": "LINUX"}}
        definition = cloud.define(family, cloud.container(cloud.image("app", tag)), **fields)
        task = stopped(cloud, run(cloud, definition))
        assert task["stopCode"] == "TaskFailedToStart"
        assert task["stoppedReason"] == (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
            f"image Manifest does not contain descriptor matching platform '{platform}'"
        )


def test_container_starts_when_those_it_depends_on_are_as_it_wants(cloud: Cloud, server: Path) -> None:
    cloud.push(server, "app", "init", MARK="init", EXIT_AFTER=2)
    cloud.push(server, "app", "other-port", MARK="proxy", DEFAULT=200, PORT=8081)
    check = {"command": ["CMD", "/server", "check"], "interval": 1, "timeout": 1, "retries": 1}
    proxy = cloud.container(
        cloud.image("app", "other-port"),
        name="proxy",
        portMappings=[{"containerPort": 8081}],
        healthCheck=check,
        dependsOn=[{"containerName": "init", "condition": "SUCCESS"}],
    )
    app = cloud.container(cloud.image("app", "good"), dependsOn=[{"containerName": "proxy", "condition": "HEALTHY"}])
    init = cloud.container(cloud.image("app", "init"), name="init", essential=False, portMappings=[])
    definition = cloud.define("ordered", app, proxy, init)
    kept = cloud.client("ecs").describe_task_definition(taskDefinition=definition)["taskDefinition"]
    assert kept["containerDefinitions"][0]["dependsOn"] == app["dependsOn"]
    assert [each["name"] for each in kept["containerDefinitions"]] == ["app", "proxy", "init"]

    second = cloud.target_group("ordered-too")
    service = cloud.serve("ordered", definition)
    balancers = [
        {"targetGroupArn": service.target_group, "containerName": "app", "containerPort": 8080},
        {"targetGroupArn": second, "containerName": "proxy", "containerPort": 8081},
    ]
    cloud.wait_steady("ordered", 30)
    cloud.update("ordered", loadBalancers=balancers)
    wait_until(lambda: cloud.deployments("ordered")[0]["status"] == "SUCCESSFUL", 30, "both groups are healthy")
    assert (cloud.states(service.target_group), cloud.states(second)) == (["healthy"], ["healthy"])
    assert cloud.get("/ordered/x").headers["x-mark"] == "good"
    assert cloud.get("/ordered-too/x").headers["x-mark"] == "proxy"

    [task] = cloud.tasks("ordered")
    by_name = {each["name"]: each for each in task["containers"]}
    assert (by_name["init"]["exitCode"], by_name["app"]["lastStatus"]) == (0, "RUNNING")
    label = f"com.amazonaws.ecs.task-arn={task['taskArn']}"
    started = {
        each.labels["com.amazonaws.ecs.container-name"]: each.attrs["State"]
        for each in cloud.engine.containers.list(all=True, filters={"label": label})
    }
    assert started["init"]["FinishedAt"] < started["proxy"]["StartedAt"] < started["app"]["StartedAt"]


def test_dependency_that_fails_stops_the_task(cloud: Cloud) -> None:
    init = cloud.container(cloud.image("app", "dying"), name="init", essential=False)
    app = cloud.container(cloud.image("app", "good"), dependsOn=[{"containerName": "init", "condition": "SUCCESS"}])
    task = stopped(cloud, run(cloud, cloud.define("unordered", app, init)))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith(
        "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [init "
    )


def test_registered_task_definition_has_the_times_of_its_health_check(cloud: Cloud) -> None:
    check = {"command": ["CMD", "/server", "check"], "timeout": 2}
    arn = cloud.register("checked-times", cloud.image("app", "good"), healthCheck=check)

    definition = cloud.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]

    [container] = definition["containerDefinitions"]
    assert container["healthCheck"] == {**check, "interval": 30, "retries": 3}


def test_health_check_of_the_image_is_ignored(cloud: Cloud, server: Path) -> None:
    line = 'HEALTHCHECK --interval=1s --retries=1 CMD ["/server", "check"]'
    cloud.push(server, "app", "own-check", line, MARK="own", DEFAULT=200, HEALTH_EXIT=1)
    cloud.serve("own-check", cloud.register("own-check", cloud.image("app", "own-check")))
    cloud.wait_steady("own-check")
    [task] = cloud.tasks("own-check")
    assert task["healthStatus"] == "UNKNOWN"
    label = f"com.amazonaws.ecs.task-arn={task['taskArn']}"
    [container] = cloud.engine.containers.list(filters={"label": label})
    assert container.attrs["Config"]["Healthcheck"]["Test"] == ["NONE"]


def test_secrets_become_variables(cloud: Cloud) -> None:
    manager = cloud.client("secretsmanager")
    whole = manager.create_secret(Name="shim/whole", SecretString="plain")["ARN"]
    fields = manager.create_secret(Name="shim/fields", SecretString='{"password": "old", "port": 1}')
    manager.put_secret_value(SecretId="shim/fields", SecretString='{"password": "new"}')
    cloud.client("ssm").put_parameter(Name="/shim/parameter", Value="kept", Type="SecureString")
    secrets = [
        {"name": "WHOLE", "valueFrom": whole},
        {"name": "PASSWORD", "valueFrom": f"{fields['ARN']}:password::"},
        {"name": "BEFORE", "valueFrom": f"{fields['ARN']}:password:AWSPREVIOUS:"},
        {"name": "FIRST", "valueFrom": f"{fields['ARN']}:port::{fields['VersionId']}"},
        {"name": "PARAMETER", "valueFrom": "/shim/parameter"},
    ]
    cloud.serve("secretive", cloud.register("secretive", cloud.image("app", "good"), secrets=secrets))
    cloud.wait_steady("secretive")
    names = ("WHOLE", "PASSWORD", "BEFORE", "FIRST", "PARAMETER")
    answers = [cloud.get(f"/secretive/env/{name}").headers["x-answer"] for name in names]
    assert answers == ["plain", "new", "old", "1", "kept"]


def test_missing_secret_stops_the_task(cloud: Cloud) -> None:
    missing = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shim/nowhere-AbCdEf"
    fields = cloud.client("secretsmanager").create_secret(Name="shim/empty", SecretString="{}")["ARN"]
    asm = "unable to retrieve secret from asm: service call has been retried 1 time(s): "
    for family, reference, why in [
        (
            "no-secret",
            missing,
            f"{asm}failed to fetch secret {missing} from secrets manager: ResourceNotFoundException: "
            "Secrets Manager can't find the specified secret.",
        ),
        ("no-key", f"{fields}:user::", f"{asm}retrieved secret from Secrets Manager did not contain json key user"),
    ]:
        secrets = [{"name": "SECRET", "valueFrom": reference}]
        first = cloud.container(cloud.image("app", "good"))
        second = cloud.container(cloud.image("app", "good"), name="second", secrets=secrets)
        task = stopped(cloud, run(cloud, cloud.define(family, first, second)))
        assert task["stopCode"] == "TaskFailedToStart"
        assert task["stoppedReason"] == (
            "ResourceInitializationError: unable to pull secrets or registry auth: "
            f"execution resource retrieval failed: {why}"
        )
        assert [each.get("exitCode") for each in task["containers"]] == [None, None], "no container was started"
