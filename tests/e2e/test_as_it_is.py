"""A user's stack comes up in the sandbox as it is: what is built and applied are the user's files, byte for byte.

The stack is a copy of the example, with its name, without a start state, and written as most teams write theirs: images
by tag, no registry argument in the Dockerfiles, a HEALTHCHECK that ECS ignores, and a secret that Terraform reads.
"""

import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.config.stack_file import load
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.clients import client
from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.lifecycle import down, up
from tests.conftest import EXAMPLE, Machine, silent

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance, pytest.mark.timeout(900)]

SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:lgtm/grafana:password::"
CONFIGS = {
    "grafana": "/etc/grafana/grafana.ini",
    "loki": "/etc/loki/loki-config.yaml",
    "mimir": "/etc/mimir/mimir-config.yaml",
    "pyroscope": "/etc/pyroscope/pyroscope-config.yaml",
    "tempo": "/etc/tempo/tempo-config.yaml",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    folder = tmp_path_factory.mktemp("as-it-is") / "lgtm-stack"
    left_out = shutil.ignore_patterns(".lgtm-deploy", ".terraform*", "start-state")
    shutil.copytree(EXAMPLE, folder, symlinks=True, ignore=left_out)
    file = folder / "lgtm-deploy.yaml"
    edit(file, "start_state: start-state\n", "")
    edit(file, "        images_variable: images\n", "")
    edit(
        file,
        "    endpoint: sandbox\n",
        '    endpoint: sandbox\n    secrets: {lgtm/grafana: \'{"password": "hidden"}\'}\n',
    )
    variables = folder / "terraform/environments/sandbox/common.tfvars"
    secrets = f'container_secrets = {{ grafana = {{ GF_SECURITY_ADMIN_PASSWORD = "{SECRET}" }} }}\n'
    edit(variables, '  grafana = { GF_SECURITY_ADMIN_PASSWORD = "admin" }\n', "")
    variables.write_text(variables.read_text() + secrets)
    for name in CONFIGS:
        dockerfile = folder / "dockerfiles" / name / "Dockerfile"
        edit(dockerfile, "ARG BASE_REGISTRY=docker.io\n", "")
        edit(dockerfile, "${BASE_REGISTRY}/", "docker.io/" if name == "tempo" else "")
    grafana = folder / "dockerfiles/grafana/Dockerfile"
    grafana.write_text(f"{grafana.read_text()}HEALTHCHECK --interval=1s --retries=1 CMD exit 1\n")
    return load(file, "sandbox")


@pytest.fixture(scope="module")
def started(machine: Machine, stack: Stack) -> Iterator[Connection]:
    name = f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-as-it-is"
    try:
        yield up(stack, name, silent)
    finally:
        down(machine.home, name, silent)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, f"{file} does not say {old!r}"
    file.write_text(text.replace(old, new))


def contents(folder: Path) -> dict[str, bytes]:
    own = (".lgtm-deploy", ".terraform")
    return {
        str(each.relative_to(folder)): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file() and not any(part.startswith(own) for part in each.relative_to(folder).parts)
    }


def container(started: Connection, stack: Stack, service: str) -> dict[str, Any]:
    """The container of the service's one task, as ECS has it."""
    ecs, cluster = client(started, "ecs"), stack.environment.cluster
    [arn] = ecs.list_tasks(cluster=cluster, serviceName=stack.services[service].ecs_service)["taskArns"]
    found: dict[str, Any] = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]["containers"][0]
    return found


def test_what_is_built_and_applied_lies_as_the_user_wrote_it(
    machine: Machine, stack: Stack, started: Connection
) -> None:
    assert stack.name == "lgtm"
    assert contents(machine.home.work / started.name / "stack") == contents(stack.directory)


@pytest.mark.parametrize("service", CONFIGS)
def test_the_image_of_each_task_holds_the_users_file(
    machine: Machine, stack: Stack, started: Connection, service: str
) -> None:
    runs = container(started, stack, service)
    place = Path(CONFIGS[service])
    with closing(machine.engine.client()) as engine:
        stream, _ = engine.containers.get(runs["runtimeId"]).get_archive(str(place))
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            held = archive.extractfile(place.name)
            assert held is not None
            assert held.read() == (stack.directory / "dockerfiles" / service / "config" / place.name).read_bytes()


@pytest.mark.usefixtures("started")
def test_the_files_that_were_applied_are_kept_as_the_user_wrote_them(stack: Stack) -> None:
    applied = stack.directory / ".lgtm-deploy" / "applied" / "sandbox"
    # Terraform itself makes the lock files.
    kept = [each for each in applied.glob("*/*/tree/**/*") if each.is_file() and each.name != ".terraform.lock.hcl"]
    mine = {each for name, each in contents(stack.directory).items() if name.startswith("terraform/")}
    assert {each.parent.relative_to(applied).parts[0] for each in kept} == set(stack.environment.terraform)
    assert {each.read_bytes() for each in kept} <= mine
    assert not list(stack.directory.glob("terraform/**/.terraform*"))


def test_images_are_pulled_by_the_tag_that_the_files_name(stack: Stack, started: Connection) -> None:
    for name, service in stack.services.items():
        image = container(started, stack, name)["image"]
        assert image.endswith(f"/{service.repository}:initial")
        tagged = client(started, "ecr").describe_images(
            repositoryName=service.repository, imageIds=[{"imageTag": "initial"}]
        )["imageDetails"][0]["imageDigest"]
        assert container(started, stack, name)["imageDigest"] == tagged


def test_a_healthcheck_of_a_dockerfile_is_ignored_and_the_secret_is_there(
    machine: Machine, stack: Stack, started: Connection
) -> None:
    runs = container(started, stack, "grafana")
    with closing(machine.engine.client()) as engine:
        found = engine.api.inspect_container(runs["runtimeId"])
    assert found["Config"]["Healthcheck"]["Test"] == ["NONE"]
    assert "GF_SECURITY_ADMIN_PASSWORD=hidden" in found["Config"]["Env"]
    assert json.dumps(runs).count("hidden") == 0
