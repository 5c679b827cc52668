"""How does the sandbox itself talk to its cloud?"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lgtm_deploy.sandbox.connection import Connection


def client(connection: Connection, service: str) -> Any:
    """A boto3 client with the sandbox's own credentials, whatever the caller's environment says."""
    import boto3  # noqa: PLC0415 - 0.3 s that only some verbs need

    session: Any = boto3.Session(
        aws_access_key_id=connection.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=connection.environment["AWS_SECRET_ACCESS_KEY"],
        region_name=connection.region,
    )
    return session.client(service, endpoint_url=connection.endpoint)


@contextmanager
def environment_of(variables: Mapping[str, str]) -> Iterator[None]:
    """The process's own environment, with these variables while the block runs: adapters read it."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
