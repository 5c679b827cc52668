"""Small objects in a bucket, written on conditions (AWS: S3, conditional writes)."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from lgtm_deploy.adapters.aws import READ_ATTEMPTS, Aws, changing, error_code, reading
from lgtm_deploy.core.errors import TransientError
from lgtm_deploy.core.ports import StoredObject
from lgtm_deploy.core.retry import retry

# AWS: PutObject. 412: the condition does not hold. 409: another conditional write of the same name was under way;
# whether this one's condition holds is not said, it is to be sent again. An `If-Match` of a missing object is 404.
_NOT_SO = frozenset({"PreconditionFailed", "NoSuchKey"})
_CONFLICT = "ConditionalRequestConflict"
_CONFLICTS = 10


class _BrokenOffError(TransientError):
    """An object of which a part has come: botocore calls again only until an answer begins (StreamingBody)."""


class S3Objects:
    """The objects of one bucket whose names begin with `prefix`."""

    def __init__(self, aws: Aws, *, bucket: str, prefix: str = "") -> None:
        self._aws = aws
        self._bucket = bucket
        self._prefix = prefix

    def get(self, name: str) -> StoredObject | None:
        """The object of that name; None when there is none. Raises NotFoundError when there is no bucket."""
        return retry(lambda: self._got(name), (0.0,) * (READ_ATTEMPTS - 1), _BrokenOffError, time.sleep)

    def create(self, name: str, body: bytes) -> str | None:
        """Writes an object that is not there yet and returns its tag; None when it is."""
        return self._put(name, body, IfNoneMatch="*")

    def replace(self, name: str, body: bytes, tag: str) -> str | None:
        """Writes over the object that has this tag and returns the new one; None when it has another, or is gone."""
        return self._put(name, body, IfMatch=tag)

    def names(self, prefix: str, *, after: str = "", limit: int | None = None) -> Sequence[str]:
        """The names that begin so, in order (AWS: ListObjectsV2), those after `after` alone, and at most so many."""
        if limit is not None and limit <= 0:
            return ()
        where = {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        if after:
            where["StartAfter"] = self._prefix + after
        page = 1000 if limit is None else min(limit, 1000)
        with reading(self._what(prefix)):
            pages = (
                self._aws.reader("s3")
                .get_paginator("list_objects_v2")
                .paginate(**where, PaginationConfig={"PageSize": page})
            )
            keys = (each["Key"] for answer in pages for each in answer.get("Contents", ()))
            return [key.removeprefix(self._prefix) for key in islice(keys, limit)]

    def _got(self, name: str) -> StoredObject | None:
        client = self._aws.reader("s3")
        with reading(self._what(name)):
            try:
                found = client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            except ClientError as error:
                if error_code(error) == "NoSuchKey":
                    return None
                raise
        try:
            body = found["Body"].read()
        except (BotoCoreError, HTTPError) as error:
            raise _BrokenOffError(f"{self._what(name)}: the answer broke off ({error}).") from error
        return StoredObject(body=body, tag=found["ETag"], modified=found["LastModified"], seen=_answered(found))

    def _put(self, name: str, body: bytes, **condition: str) -> str | None:
        client = self._aws.writer("s3")
        with changing(self._what(name)):
            for _ in range(_CONFLICTS):
                try:
                    put = client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=body, **condition)
                    return str(put["ETag"])
                except ClientError as error:
                    if error_code(error) in _NOT_SO:
                        return None
                    if error_code(error) != _CONFLICT:
                        raise
        raise TransientError(f"{self._what(name)}: others write it all the time ({_CONFLICT}).")

    def _what(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{name}"


def _answered(answer: Mapping[str, Any]) -> datetime:
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
