"""A real run with secrets planted: neither its files, nor its words, nor any process's arguments have them."""

import base64
import stat
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from tests.e2e.conftest import Checkout

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance, pytest.mark.timeout(600)]

# Of this run only: the arguments of every process of the machine are looked at.
CANARY = f"canary-{uuid.uuid4().hex}"
ENVIRONMENT = {
    name: f"{CANARY}-{name.lower()}"
    for name in ("AWS_SESSION_TOKEN", "TF_VAR_grafana_password", "DOCKER_AUTH_CONFIG", "DB_PASSWORD")
}


@contextmanager
def arguments() -> Iterator[set[bytes]]:
    """The arguments of every process that is seen meanwhile; most live for seconds, and all are looked at often."""
    seen: set[bytes] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            for each in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(each.read_bytes())
                except OSError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def registry_password(checkout: Checkout) -> bytes:
    connection = checkout.connection
    client = boto3.client(
        "ecr",
        region_name=connection.region,
        endpoint_url=connection.endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    token = client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(token).partition(b":")[2]


def readable_by_others(file: Path, within: Path) -> bool:
    """Terraform gives its own files the mode that it likes: they lie in a folder that nobody else may enter."""
    chain = [file, *(each for each in file.parents if within in each.parents)]
    return all(stat.S_IMODE(each.stat().st_mode) & 0o077 for each in chain)


def test_a_run_tells_no_secret(today: Checkout, tmp_path: Path) -> None:
    password = registry_password(today)
    secrets = [CANARY.encode(), password, base64.b64encode(b"AWS:" + password)]
    assert len(password) > 8

    with arguments() as seen:
        said = today.run(
            *("apply", "prefix-change", "--env", "sandbox", "--yes", "--verbose", "--output", "json"),
            **ENVIRONMENT,
            TMPDIR=str(tmp_path),
        )
    shown = today.run("show", "last", "--env", "sandbox", "--output", "json", **ENVIRONMENT)

    assert said.exit_code == 0, said.err
    assert any(b"terraform" in each and b"apply" in each for each in seen), "nobody was watching"
    files = [each for place in (today.folder / ".lgtm-deploy", tmp_path) for each in place.rglob("*") if each.is_file()]
    assert files
    told = [(said.out + said.err + shown.out + shown.err).encode(), *seen, *(each.read_bytes() for each in files)]
    assert not [text[:200] for text in told for secret in secrets if secret in text]
    open_ = [each for each in files if today.folder in each.parents and readable_by_others(each, today.folder)]
    assert open_ == []
