"""Which images task definitions name, and which of them the sandbox provides."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.sandbox import named_tags
from lgtm_deploy.sandbox.named_tags import NamedImage, NamedTags, named_image
from tests.stacks import make_service

ECR = "111122223333.dkr.ecr.eu-central-1.amazonaws.com"
TEMPO = make_service(name="tempo", repository="lgtm-tempo", container="tempo")


def image(repository: str, container: str = "app", tag: str = "2.9.0") -> NamedImage:
    return NamedImage(definition="lgtm-tempo:1", container=container, repository=repository, tag=tag)


@pytest.mark.parametrize(
    ("text", "repository", "tag"),
    [
        (f"{ECR}/lgtm-tempo:2.9.0", "lgtm-tempo", "2.9.0"),
        (f"{ECR}/team/tempo:2.9.0", "team/tempo", "2.9.0"),
        ("127.0.0.1:4566/lgtm-tempo:2.9.0", "lgtm-tempo", "2.9.0"),
        (f"{ECR}/lgtm-tempo", "lgtm-tempo", "latest"),
    ],
)
def test_a_tag_of_a_registry_is_found(text: str, repository: str, tag: str) -> None:
    assert named_image("lgtm-tempo:1", "app", text) == image(repository, tag=tag)


@pytest.mark.parametrize("text", ["", "tempo:2.9.0", "grafana/alloy:v1.8.0", f"{ECR}/lgtm-tempo@sha256:{'0' * 64}"])
def test_an_image_of_no_registry_or_with_a_digest_is_none_of_the_sandboxs(text: str) -> None:
    assert named_image("lgtm-tempo:1", "app", text) is None


def test_the_service_is_the_one_with_the_repository() -> None:
    assert image("lgtm-tempo").service([TEMPO, make_service(name="loki", repository="lgtm-loki")]) is TEMPO
    assert image("lgtm-other").service([TEMPO]) is None


def test_of_services_that_share_a_repository_it_is_the_one_with_the_container() -> None:
    loki = make_service(name="loki", repository="lgtm-tempo", container="loki")

    assert image("lgtm-tempo", "tempo").service([loki, TEMPO]) is TEMPO
    with pytest.raises(PermanentError, match=r"'app' of task definition lgtm-tempo:1 names lgtm-tempo:2.9.0, and loki"):
        image("lgtm-tempo", "app").service([loki, TEMPO])


def test_each_image_is_provided_once_and_one_of_nobody_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    images = {
        "a:1": [f"{ECR}/lgtm-tempo:2.9.0", "docker.io/grafana/alloy:v1.9.2"],
        "a:2": [f"{ECR}/lgtm-tempo:2.9.0", "grafana/alloy:v0.0.1", f"{ECR}/lgtm-other:1"],
    }
    monkeypatch.setattr(named_tags, "client", lambda *_: Ecs(images))
    pushed: list[str] = []
    made: list[str] = []
    tags = NamedTags(
        connection=None,  # type: ignore[arg-type]
        services=[TEMPO],
        push=lambda service, tag: pushed.append(f"{service.name}:{tag}"),
        standins={"grafana/alloy:v1.9.2"},
        stand_in=made.append,
    )

    tags.follow(lambda: True, lambda _text: None)

    assert (pushed, made) == (["tempo:2.9.0"], ["grafana/alloy:v1.9.2"])


class Ecs:
    """The task definitions of ECS, each with the images of its containers."""

    def __init__(self, images: Mapping[str, Sequence[str]]) -> None:
        self._images = images

    def get_paginator(self, _name: str) -> "Ecs":
        return self

    def paginate(self) -> list[dict[str, Any]]:
        return [{"taskDefinitionArns": [f"arn:aws:ecs:eu-west-1:1:task-definition/{each}" for each in self._images]}]

    def describe_task_definition(self, *, taskDefinition: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        containers = [{"name": "app", "image": each} for each in self._images[taskDefinition.rpartition("/")[2]]]
        return {"taskDefinition": {"containerDefinitions": containers}}
