"""Tags with AWS's reserved prefix are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.shim.cloud import CLUSTER, Cloud

pytestmark = pytest.mark.sandbox
NOT_ALLOWED = "aws: prefixed tag key names are not allowed for external use."


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_reserved_tags_are_refused(cloud: Cloud) -> None:
    ecs, ecr, balancing = cloud.client("ecs"), cloud.client("ecr"), cloud.client("elbv2")
    small = [{"key": "team", "value": "aws:any"}, {"key": "AWS:team", "value": "a"}]
    large = [{"Key": "team", "Value": "a"}, {"Key": "aws:team", "Value": "a"}]
    definition = cloud.register("tagged", cloud.image("app", "good"))
    cluster = ecs.describe_clusters(clusters=[CLUSTER])["clusters"][0]["clusterArn"]
    for call in (
        lambda: ecs.create_service(cluster=CLUSTER, serviceName="t", taskDefinition=definition, tags=small),
        lambda: cloud.define("tagged", cloud.container(cloud.image("app", "good")), tags=small),
        lambda: ecs.run_task(cluster=CLUSTER, taskDefinition=definition, tags=small),
        lambda: ecs.tag_resource(resourceArn=cluster, tags=small),
    ):
        assert refusal(call) == ("InvalidParameterException", NOT_ALLOWED)

    group = cloud.target_group("tagged", rule=False)
    for call in (
        lambda: balancing.add_tags(ResourceArns=[group], Tags=large),
        lambda: cloud.target_group("tagged-too", rule=False, Tags=large),
    ):
        assert refusal(call) == ("ValidationError", "Tag key 'aws:team' cannot start with 'aws:'")

    arn = ecr.create_repository(repositoryName="tagged")["repository"]["repositoryArn"]
    for call in (
        lambda: ecr.create_repository(repositoryName="tagged-too", tags=large),
        lambda: ecr.tag_resource(resourceArn=arn, tags=large),
    ):
        assert refusal(call) == ("InvalidTagParameterException", NOT_ALLOWED)

    ecs.tag_resource(resourceArn=cluster, tags=small[:1])
    balancing.add_tags(ResourceArns=[group], Tags=large[:1])
    ecr.tag_resource(resourceArn=arn, tags=large[:1])
