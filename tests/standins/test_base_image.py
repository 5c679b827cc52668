"""Base images: built once, labelled, with what the vendor's image has, and only for versions that exist."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import docker
import httpx
import pytest

from lgtm_deploy.sandbox.base_image import build_base_images
from tests.shim.cloud import wait_until

LABEL = f"lgtm-deploy.test.standins={os.getpid()}"
# Not those of the example: a tag is one for the whole engine, and a sandbox may be building on it.
VERSIONS = {"tempo": "2.3.1", "grafana": "11.6.0"}

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    try:
        engine = docker.from_env()
        engine.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker Engine: {error}")
    yield engine
    for container in engine.containers.list(all=True, filters={"label": LABEL}):
        container.remove(force=True)
    # Those that others are built on go last, and were made in the same second: the list is in no order then.
    for _ in range(len(VERSIONS) + 1):
        for image in engine.api.images(filters={"label": LABEL}):
            with suppress(docker.errors.APIError):
                engine.api.remove_image(image["Id"], force=True)
    assert not engine.api.images(filters={"label": LABEL})
    engine.close()


@pytest.fixture(scope="module")
def tags(client: Any) -> tuple[str, ...]:
    return build_base_images(client, label=LABEL, versions=VERSIONS, factor=20.0).tags


def test_a_second_build_of_the_same_content_builds_nothing(client: Any, tags: tuple[str, ...]) -> None:
    again = build_base_images(client, label=LABEL, versions=VERSIONS, factor=20.0)
    assert (again.built, again.tags) == ((), tags)


def test_images_have_the_vendors_entry_point_user_and_our_label(client: Any, tags: tuple[str, ...]) -> None:
    config = client.images.get("lgtm-standin/grafana/tempo:2.3.1").attrs["Config"]
    assert (config["Entrypoint"], config["User"]) == (["/tempo"], "0")
    assert client.images.get("lgtm-standin/grafana/grafana:11.6.0").attrs["Config"]["User"] == "472"
    key, _, value = LABEL.partition("=")
    assert all(client.images.get(tag).labels[key] == value for tag in tags)
    assert config["Labels"]["org.opencontainers.image.version"] == "2.3.1"


def test_a_version_that_never_was_has_no_image(client: Any) -> None:
    made = build_base_images(client, label=LABEL, versions={"tempo": "2.9.0-20260116"})
    assert (made.tags, made.built) == ((), ())
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get("lgtm-standin/grafana/tempo:2.9.0-20260116")


def test_a_container_listens_quickly_and_stops_cleanly(client: Any, tags: tuple[str, ...]) -> None:
    container = client.containers.run(tags[0], detach=True, labels=dict([LABEL.split("=")]))
    container.reload()
    address = container.attrs["NetworkSettings"]["IPAddress"]
    with httpx.Client(transport=httpx.HTTPTransport(retries=10), timeout=30) as http:
        assert http.get(f"http://{address}:3200/api/echo").text == "echo\n"
        assert http.get(f"http://{address}:3200/ready").status_code == 503
    container.stop(timeout=5)
    assert container.wait()["StatusCode"] == 0
    assert b"received SIGINT/SIGTERM" in container.logs()


def test_there_is_no_shell_in_the_image(client: Any, tags: tuple[str, ...]) -> None:
    with pytest.raises(docker.errors.APIError, match="sh"):
        client.containers.run(tags[0], entrypoint="/bin/sh", command=["-c", "true"], labels=dict([LABEL.split("=")]))


@pytest.mark.parametrize(
    "check",
    [
        "CMD-SHELL wget --no-verbose --tries=1 --spider http://localhost:3000/api/health || exit 1",
        "CMD-SHELL curl -fsS http://localhost:3000/api/health > /dev/null || exit 1",
        "CMD wget -q -O /dev/null http://localhost:3000/api/health",
    ],
)
def test_grafanas_image_has_what_its_health_check_runs(client: Any, tags: tuple[str, ...], check: str) -> None:
    kind, _, words = check.partition(" ")
    command = [kind, words] if kind == "CMD-SHELL" else [kind, *words.split()]
    [grafana] = [tag for tag in tags if "grafana:" in tag]
    container = client.containers.run(
        grafana,
        detach=True,
        labels=dict([LABEL.split("=")]),
        healthcheck={"test": command, "interval": 500_000_000, "timeout": 20_000_000_000, "retries": 60},
    )
    wait_until(lambda: client.api.inspect_container(container.id)["State"]["Health"]["Status"] == "healthy", 20, check)
    container.kill()
