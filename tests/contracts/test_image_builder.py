"""What every image builder promises."""

from dataclasses import replace

import pytest

from lgtm_deploy.core.errors import InterruptedRunError, NotFoundError, PermanentError
from tests.contracts.world import World

DOCKERFILE = "FROM scratch\nCOPY content /\n"


def test_an_identity_is_64_hex_digits_and_the_same_each_time(world: World) -> None:
    request = world.context(DOCKERFILE)
    first = world.builder.identity(request)

    assert len(first) == 64
    int(first, 16)
    assert world.builder.identity(request) == first


def test_an_identity_changes_with_content_arguments_and_platform(world: World) -> None:
    request = world.context(DOCKERFILE)
    identity = world.builder.identity
    found = [
        identity(request),
        identity(replace(request, build_args={"A": "1"})),
        identity(replace(request, platform="linux/arm64")),
    ]
    (request.context / "content").write_text("other")
    found.append(identity(request))
    (request.context / "Dockerfile").write_text(DOCKERFILE + "USER 1\n")
    found.append(identity(request))

    assert len(set(found)) == len(found)


def test_a_missing_context_dockerfile_or_base_is_not_found(world: World) -> None:
    request = world.context(DOCKERFILE)
    with pytest.raises(NotFoundError):
        world.builder.identity(replace(request, context=request.context / "no"))
    with pytest.raises(NotFoundError):
        world.builder.identity(replace(request, dockerfile="No"))
    with pytest.raises(NotFoundError, match="nobody/nothing:1"):
        world.builder.identity(world.context("FROM nobody/nothing:1\n"))


def test_a_build_gives_an_image_and_tells_what_it_does(world: World) -> None:
    told: list[str] = []

    built = world.builder.build(world.context(DOCKERFILE), {"who": "contracts"}, told.append)

    assert built.id.startswith("sha256:")
    assert built.size > 0
    assert any(told)


def test_the_same_request_gives_the_same_image(world: World) -> None:
    request = world.context(DOCKERFILE)
    first, second = (world.builder.build(request, {"who": "contracts"}, lambda _: None) for _ in range(2))

    assert first == second


def test_a_build_that_fails_is_permanent_and_names_the_instruction(world: World) -> None:
    with pytest.raises(PermanentError, match="COPY nothing"):
        world.builder.build(world.context(DOCKERFILE, broken=True), {}, lambda _: None)


def test_progress_can_stop_a_build(world: World) -> None:
    def stop(_: str) -> None:
        raise InterruptedRunError("Stopped.")

    with pytest.raises(InterruptedRunError):
        world.builder.build(world.context(DOCKERFILE), {}, stop)


def test_it_knows_what_it_has_built_and_what_it_has_not(world: World) -> None:
    built = world.builder.build(world.context(DOCKERFILE), {}, lambda _: None)

    assert world.builder.has(built.id)
    assert not world.builder.has("sha256:" + "0" * 64)
