"""The registry's login, and what its refusals mean."""

import base64
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import docker
import pytest
from botocore.stub import ANY, Stubber

from lgtm_deploy.adapters import ecr
from lgtm_deploy.adapters.aws import Aws
from lgtm_deploy.adapters.docker_push import Destination, PushError
from lgtm_deploy.adapters.ecr import EcrRegistry
from lgtm_deploy.core.errors import (
    AccessError,
    AlreadyExistsError,
    DeployError,
    NotFoundError,
    TransientError,
)
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.fakes import FakeClock

ADDRESS = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/lgtm-tempo"
IMAGE, OTHER, DIGEST = "sha256:aa", "sha256:bb", "sha256:dd"


class Pushes:
    """Stands in for the engine's push: what each push meets, in order, and with which password."""

    def __init__(self) -> None:
        self._outcomes: list[str] = []
        self.passwords: list[str] = []

    def meet(self, *outcomes: str) -> None:
        self._outcomes += outcomes

    def __call__(self, engine: object, image: str, to: Destination, progress: Progress) -> str:
        self.passwords.append(to.credentials["password"])
        assert (to.repository, to.credentials["username"]) == (ADDRESS, "AWS")
        outcome = self._outcomes.pop(0)
        if outcome.startswith("sha256:"):
            return outcome
        raise PushError(outcome)


class Ecr:
    """A registry whose AWS side and pushes are scripted."""

    def __init__(self, stub: Stubber, aws: Aws, pushes: Pushes) -> None:
        self.clock = FakeClock()
        self.stub = stub
        self.pushes = pushes
        engine: docker.DockerClient = object()  # type: ignore[assignment]
        self.registry = EcrRegistry(aws, engine, self.clock)

    def expect_address(self) -> None:
        self.stub.add_response("describe_repositories", {"repositories": [{"repositoryUri": ADDRESS}]})

    def expect_tag(self, digest: str = "") -> None:
        if digest:
            self.stub.add_response("describe_images", {"imageDetails": [{"imageDigest": digest}]})
        else:
            self.stub.add_client_error("describe_images", "ImageNotFoundException", http_status_code=400)

    def expect_manifest(self, configuration: str) -> None:
        manifest = f'{{"config": {{"digest": "{configuration}"}}}}'
        asked = {"repositoryName": "lgtm-tempo", "imageIds": [{"imageDigest": DIGEST}], "acceptedMediaTypes": ANY}
        self.stub.add_response("batch_get_image", {"images": [{"imageManifest": manifest}]}, asked)

    def expect_login(self, password: str, hours: int = 12) -> None:
        token = base64.b64encode(f"AWS:{password}".encode()).decode()
        given: Mapping[str, Any] = {
            "authorizationToken": token,
            "expiresAt": self.clock.now() + timedelta(hours=hours),
        }
        self.stub.add_response("get_authorization_token", {"authorizationData": [given]})

    def push(self) -> str:
        return self.registry.push(IMAGE, "lgtm-tempo", "v1", lambda _: None)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ecr]:
    aws = Aws(region="eu-west-1", endpoint_url="http://aws.example")
    pushes = Pushes()
    monkeypatch.setattr(ecr, "push_image", pushes)
    with Stubber(aws.reader("ecr")) as stub:
        registry = Ecr(stub, aws, pushes)
        registry.expect_address()
        yield registry
        stub.assert_no_pending_responses()


def test_a_login_serves_until_shortly_before_its_end(found: Ecr) -> None:
    found.pushes.meet(DIGEST, DIGEST, DIGEST)
    found.expect_tag()
    found.expect_login("canary-1")
    found.push()
    found.expect_tag()
    found.clock.advance(11 * 3600)
    found.push()
    found.expect_tag()
    found.clock.advance(2000)
    found.expect_login("canary-2")
    found.push()

    assert found.pushes.passwords == ["canary-1", "canary-1", "canary-2"]


def test_a_refusal_with_an_old_login_is_tried_once_more_with_a_new_one(found: Ecr) -> None:
    found.pushes.meet(DIGEST, "denied: Your authorization token has expired", DIGEST)
    found.expect_tag()
    found.expect_login("canary-1")
    found.push()
    found.expect_tag()
    found.expect_login("canary-2")

    assert found.push() == DIGEST
    assert found.pushes.passwords == ["canary-1", "canary-1", "canary-2"]


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("denied: User is not authorized", AccessError),
        ("no basic auth credentials", AccessError),
        ("name unknown: The repository does not exist", NotFoundError),
        ("received unexpected HTTP status: 500 Internal Server Error", TransientError),
    ],
)
def test_a_refusal_with_a_new_login_has_a_meaning_and_tells_no_password(
    found: Ecr, caplog: pytest.LogCaptureFixture, said: str, meaning: type[DeployError]
) -> None:
    caplog.set_level(logging.INFO)
    found.pushes.meet(said)
    found.expect_tag()
    found.expect_login("canary-1")
    found.expect_tag()

    with pytest.raises(meaning) as refusal:
        found.push()

    assert "canary" not in str(refusal.value) + repr(found.registry) + caplog.text


def test_a_tag_that_has_this_image_needs_no_push(found: Ecr) -> None:
    found.expect_tag(DIGEST)
    found.expect_manifest(IMAGE)

    assert found.push() == DIGEST
    assert not found.pushes.passwords


def test_an_immutable_tag_with_another_image_exists_already(found: Ecr) -> None:
    found.pushes.meet("tag invalid: The image tag 'v1' already exists and cannot be overwritten")
    found.expect_tag(DIGEST)
    found.expect_manifest(OTHER)
    found.expect_login("canary-1")
    found.expect_tag(DIGEST)
    found.expect_manifest(OTHER)
    found.expect_tag(DIGEST)

    with pytest.raises(AlreadyExistsError, match="already holds another image"):
        found.push()


def test_a_faster_push_of_the_same_image_is_a_success(found: Ecr) -> None:
    found.pushes.meet("tag invalid: The image tag 'v1' already exists and cannot be overwritten")
    found.expect_tag()
    found.expect_login("canary-1")
    found.expect_tag(DIGEST)
    found.expect_manifest(IMAGE)

    assert found.push() == DIGEST


@pytest.mark.parametrize("code", ["", "ImageAlreadyExistsException"])
def test_an_image_gets_another_tag_by_its_manifest(code: str) -> None:
    with tagging(code) as registry:
        registry.tag("lgtm-tempo", DIGEST, "2.9.0-1")


def test_a_tag_that_stays_is_not_given_to_another_image() -> None:
    with (
        tagging("ImageTagAlreadyExistsException") as registry,
        pytest.raises(AlreadyExistsError, match=r"2\.9\.0-1.*another image"),
    ):
        registry.tag("lgtm-tempo", DIGEST, "2.9.0-1")


def test_a_tag_that_names_another_image_is_moved_by_the_manifest() -> None:
    with tagging("", names=OTHER) as registry:
        registry.tag("lgtm-tempo", DIGEST, "2.9.0-1")


@contextmanager
def tagging(code: str, *, names: str = "") -> Iterator[EcrRegistry]:
    """A registry that is asked for the image's manifest, and answers PutImage; with that error code if there is one.
    The tag `names` a digest already."""
    aws = Aws(region="eu-west-1", endpoint_url="http://aws.example")
    asked = {
        "repositoryName": "lgtm-tempo", "imageManifest": "{}", "imageTag": "2.9.0-1", "imageDigest": DIGEST,
        "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
    }  # fmt: skip
    image = {"imageManifest": "{}", "imageManifestMediaType": asked["imageManifestMediaType"]}
    with Stubber(aws.reader("ecr")) as reads, Stubber(aws.writer("ecr")) as writes:
        if names:
            reads.add_response("describe_images", {"imageDetails": [{"imageDigest": names}]})
        else:
            reads.add_client_error("describe_images", "ImageNotFoundException", http_status_code=400)
        reads.add_response("batch_get_image", {"images": [image]})
        if code:
            writes.add_client_error("put_image", code, http_status_code=400, expected_params=asked)
        else:
            writes.add_response("put_image", {}, asked)
        engine: docker.DockerClient = object()  # type: ignore[assignment]
        yield EcrRegistry(aws, engine, FakeClock())
        writes.assert_no_pending_responses()
