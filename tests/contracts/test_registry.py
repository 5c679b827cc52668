"""What every registry promises."""

import pytest

from lgtm_deploy.core.errors import AlreadyExistsError, InterruptedRunError, NotFoundError
from tests.contracts.world import GOOD, REPOSITORY, World


def built(world: World) -> str:
    request = world.context("FROM scratch\nCOPY content /\n")
    return world.builder.build(request, {}, lambda _: None).id


def push(world: World, image: str, repository: str, tag: str) -> str:
    return world.registry.push(image, repository, tag, lambda _: None)


def test_a_tag_that_is_not_there_has_no_digest(world: World) -> None:
    assert world.registry.digest_of(REPOSITORY, "no-such-tag") is None


def test_a_repository_that_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError, match="no-such-repository"):
        world.registry.digest_of("no-such-repository", "v1")
    with pytest.raises(NotFoundError, match="no-such-repository"):
        world.registry.reference("no-such-repository", "sha256:aa")
    with pytest.raises(NotFoundError, match="no-such-repository"):
        push(world, built(world), "no-such-repository", "v1")
    with pytest.raises(NotFoundError, match="no-such-repository"):
        world.registry.tags_of("no-such-repository", "sha256:aa")
    with pytest.raises(NotFoundError, match="no-such-repository"):
        world.registry.expires_untagged("no-such-repository")


def test_what_was_pushed_is_found_under_its_tag(world: World) -> None:
    repository = world.repository(immutable=True)
    told: list[str] = []

    digest = world.registry.push(built(world), repository, "v1", told.append)

    assert digest.startswith("sha256:")
    assert len(digest) == 71
    assert world.registry.digest_of(repository, "v1") == digest
    assert any(told)


def test_a_reference_names_repository_and_digest(world: World) -> None:
    reference = world.registry.reference(REPOSITORY, "sha256:aa")

    assert reference.endswith(f"/{REPOSITORY}@sha256:aa")


def test_the_same_image_may_be_pushed_again_and_under_another_tag(world: World) -> None:
    repository, image = world.repository(immutable=True), built(world)

    assert len({push(world, image, repository, tag) for tag in ("v1", "v1", "v2")}) == 1


def test_another_image_does_not_take_a_tag_that_stays(world: World) -> None:
    repository = world.repository(immutable=True)
    first = push(world, built(world), repository, "v1")

    with pytest.raises(AlreadyExistsError, match="v1"):
        push(world, built(world), repository, "v1")
    assert world.registry.digest_of(repository, "v1") == first


def test_an_image_of_the_registry_gets_another_tag(world: World) -> None:
    repository = world.repository(immutable=True)
    digest = push(world, built(world), repository, "v1")

    for _ in range(2):
        world.registry.tag(repository, digest, "v2")

    assert world.registry.digest_of(repository, "v2") == digest
    assert sorted(world.registry.tags_of(repository, digest)) == ["v1", "v2"]
    with pytest.raises(NotFoundError, match="has no image"):
        world.registry.tag(repository, f"sha256:{'0' * 64}", "v3")


def test_another_image_takes_a_tag_that_moves(world: World) -> None:
    repository = world.repository(immutable=False)
    first = push(world, built(world), repository, "v1")
    second = push(world, built(world), repository, "v1")

    assert first != second
    assert world.registry.digest_of(repository, "v1") == second


def test_a_tag_that_moves_goes_back_to_an_image_that_has_no_tag_any_more(world: World) -> None:
    repository = world.repository(immutable=False)
    first = push(world, built(world), repository, "v1")
    push(world, built(world), repository, "v1")

    for _ in range(2):
        world.registry.tag(repository, first, "v1")

    assert world.registry.digest_of(repository, "v1") == first
    assert world.registry.tags_of(repository, first) == ("v1",)


def test_a_tag_that_stays_is_not_given_to_another_image_of_the_registry(world: World) -> None:
    repository = world.repository(immutable=True)
    first = push(world, built(world), repository, "v1")
    second = push(world, built(world), repository, "v2")

    with pytest.raises(AlreadyExistsError, match="v1"):
        world.registry.tag(repository, second, "v1")
    assert world.registry.digest_of(repository, "v1") == first


def test_an_image_of_the_registry_is_in_the_engine_while_it_is_needed(world: World) -> None:
    digest = world.digest(GOOD)

    with world.registry.pulled(REPOSITORY, digest, lambda _: None) as image:
        assert image.startswith("sha256:")


def test_an_image_that_the_registry_does_not_have_cannot_be_pulled(world: World) -> None:
    with (
        pytest.raises(NotFoundError, match=REPOSITORY),
        world.registry.pulled(REPOSITORY, "sha256:" + "0" * 64, lambda _: None),
    ):
        pass


def test_progress_can_stop_a_push(world: World) -> None:
    def stop(_: str) -> None:
        raise InterruptedRunError("Stopped.")

    with pytest.raises(InterruptedRunError):
        world.registry.push(built(world), world.repository(immutable=True), "v1", stop)


def test_an_image_tells_its_tags_and_one_that_lost_its_tag_has_none(world: World) -> None:
    repository = world.repository(immutable=False)
    first = push(world, built(world), repository, "v1")
    assert world.registry.tags_of(repository, first) == ("v1",)

    second = built(world)
    push(world, second, repository, "v1")
    assert world.registry.tags_of(repository, first) == ()
    digest = push(world, second, repository, "v2")
    assert sorted(world.registry.tags_of(repository, digest)) == ["v1", "v2"]


def test_an_image_that_is_gone_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError, match=f"sha256:{'0' * 64}"):
        world.registry.tags_of(REPOSITORY, f"sha256:{'0' * 64}")


def test_a_repository_tells_whether_untagged_images_go(world: World) -> None:
    assert world.registry.expires_untagged(world.repository(immutable=True, expires_untagged=True))
    assert not world.registry.expires_untagged(world.repository(immutable=True))
