from __future__ import annotations

from tests.shim.cloud import Cloud


def test_service_runs(cloud: Cloud) -> None:
    definition = cloud.register("smoke", cloud.image("app", "good"))
    service = cloud.serve("smoke", definition)
    cloud.wait_steady("smoke")
    assert cloud.states(service.target_group) == ["healthy"]
    print(cloud.get(service.path + "?a=b%20c").text)
    cloud.update("smoke", forceNewDeployment=True)
    cloud.wait_steady("smoke")
    import pprint

    pprint.pprint(cloud.service("smoke"))
    pprint.pprint(cloud.deployments("smoke"))
    pprint.pprint(cloud.tasks("smoke"))
    pprint.pprint(cloud.tasks("smoke", "STOPPED"))
    for r in cloud.records_path.read_text().splitlines():
        print(r)
    print(
        cloud.client("ecs").describe_service_revisions(
            serviceRevisionArns=[cloud.deployments("smoke")[0]["targetServiceRevision"]["arn"]]
        )["serviceRevisions"]
    )
    print(cloud.client("logs").filter_log_events(logGroupName="/shim")["events"])
