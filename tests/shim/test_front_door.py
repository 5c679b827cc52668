"""What passes through the load balancer's front door, and what it answers itself."""

from __future__ import annotations

import socket

import pytest

from tests.shim.cloud import Cloud, wait_until

pytestmark = pytest.mark.sandbox


def test_request_and_answer_pass_as_they_are(cloud: Cloud) -> None:
    cloud.serve("passed", cloud.register("passed", cloud.image("app", "good")))
    cloud.wait_steady("passed")
    headers = {"X-Scope-OrgID": "tenant", "Content-Type": "application/x-protobuf"}
    answer = cloud.send("POST", "/passed/a%2Fb?x=1&x=%20&empty=", content=b"\x01body", headers=headers)
    assert answer.status_code == 200
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    lines = answer.text.split("\r\n")
    assert lines[0].endswith("POST /passed/a%2Fb?x=1&x=%20&empty= HTTP/1.1")
    assert {"x-scope-orgid: tenant", "content-type: application/x-protobuf", "content-length: 5"} <= {
        n.lower() for n in lines
    }
    assert lines[-1] == "\x01body"
    assert cloud.send("HEAD", "/passed/x").text == ""


def test_status_of_the_target_passes_and_the_default_action_answers_the_rest(cloud: Cloud) -> None:
    definition = cloud.register("routed", cloud.image("app", "moved"))
    cloud.serve("routed", definition, checks={"HealthCheckPath": "/moved/ready"})
    cloud.wait_steady("routed")
    assert cloud.get("/routed/nothing").status_code == 404
    assert cloud.get("/routed/nothing").headers["x-mark"] == "moved"
    answer = cloud.get("/no/rule/at/all")
    assert (answer.status_code, answer.text, answer.headers["server"]) == (418, "nobody", "awselb/2.0")


def test_empty_group_is_503_refused_is_502_and_silence_is_504(cloud: Cloud) -> None:
    group = cloud.target_group("hollow")
    answer = cloud.get("/hollow/x")
    assert (answer.status_code, "503 Service Temporarily Unavailable" in answer.text) == (503, True)
    balancing = cloud.client("elbv2")
    balancing.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": 1}])
    wait_until(lambda: cloud.targets(group) == [("unhealthy", "Target.FailedHealthChecks")], 10, "nobody listens")
    assert cloud.get("/hollow/x").status_code == 502
    with socket.create_server(("127.0.0.1", 0)) as silent:
        change_idle_timeout(cloud, 1)
        heard = [{"Id": "127.0.0.1", "Port": silent.getsockname()[1]}]
        balancing.register_targets(TargetGroupArn=group, Targets=heard)
        balancing.deregister_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": 1}])
        answer = cloud.get("/hollow/x")
        assert (answer.status_code, "504 Gateway Time-out" in answer.text) == (504, True)
        change_idle_timeout(cloud, 60)
    balancing.deregister_targets(TargetGroupArn=group, Targets=heard)
    wait_until(lambda: cloud.states(group) == [], 5, "the target has drained")
    drained = cloud.records("target", target_group="hollow", to="draining")
    assert len(drained) == 2, "both targets drain first"


def change_idle_timeout(cloud: Cloud, seconds: int) -> None:
    balancing = cloud.client("elbv2")
    arn = balancing.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    timeout = {"Key": "idle_timeout.timeout_seconds", "Value": str(seconds)}
    balancing.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[timeout])


def test_group_that_no_listener_uses_is_not_checked(cloud: Cloud) -> None:
    group = cloud.target_group("shadow", rule=False)
    cloud.client("elbv2").register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": 1}])
    wait_until(lambda: cloud.targets(group) == [("unused", "Target.NotInUse")], 5, "the target is unused")
