"""How AWS is reached, and what its errors mean."""

import logging
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from lgtm_deploy.core.errors import (
    AccessError,
    DeployError,
    ExpiredCredentialsError,
    InDoubtError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from lgtm_deploy.core.permit import Permit

_LOG = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 15
READ_ATTEMPTS = 4
# Seconds until credentials that AWS calls expired are looked for anew: somebody may log in again meanwhile.
RENEWALS = (0.5, 1.5)

# botocore's own list (botocore.retries.standard) less LimitExceededException, which ECS and ECR use for quotas; and
# OperationAborted: "A conflicting conditional operation is currently in progress" (AWS: S3, error responses).
THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "TransactionInProgressException",
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "OperationAborted",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "SlowDown",
    }
)
# The service gave up waiting for the rest of a request (AWS: S3, error responses; botocore tries it again like a lost
# connection): what it did with what it had, it does not say.
STALLED = frozenset({"RequestTimeout", "RequestTimeoutException"})
DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "Forbidden",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
MISSING = frozenset({"NoSuchBucket", "NoSuchKey", "ServiceNotActiveException"})
MISSING_ENDINGS = ("NotFoundException", "NotFound")

# No request left this machine, so nothing can have changed.
NEVER_SENT = (EndpointConnectionError, ConnectTimeoutError)
# The request may have arrived; urllib3 blames a proxy also for a connection lost behind it, once all was sent, and TLS
# may break at any time.
LOST = (ReadTimeoutError, ConnectionClosedError, ProxyConnectionError, SSLError, HTTPClientError, ResponseParserError)
NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    SSOError,
    ProfileNotFound,
)

SERVER_ERROR = 500
TOO_MANY_REQUESTS = 429


class Aws:
    """Clients of one region, made once and shared between threads; made anew once AWS calls the credentials expired.

    A call that was refused for expired credentials has changed nothing, and is sent again with those that are found
    anew. An empty `endpoint_url` leaves the choice to boto3, which honours `AWS_ENDPOINT_URL`. `permit` is asked before
    every sending of a change.
    """

    def __init__(self, *, region: str, endpoint_url: str = "", permit: Permit | None = None) -> None:
        self.region = region
        self._permit = permit or Permit()
        self._endpoint_url = endpoint_url or None
        self._session: boto3.Session | None = None
        self._clients: dict[tuple[str, bool], Any] = {}
        # Making a client is not thread-safe, using one is (boto3 guide, "Multithreading with clients").
        self._lock = threading.Lock()

    def reader(self, service: str) -> Any:
        """A client for calls that change nothing: throttling and lost connections are retried, paced adaptively."""
        return self._client(service, changing=False)

    def writer(self, service: str) -> Any:
        """A client for changes: every call is sent at most once, and raises LockLostError when it may not be."""
        return self._client(service, changing=True)

    def _client(self, service: str, *, changing: bool) -> Any:
        with self._lock:
            if (service, changing) not in self._clients:
                self._clients[service, changing] = self._make(service, changing=changing)
            return self._clients[service, changing]

    def _make(self, service: str, *, changing: bool) -> Any:
        config = Config(
            region_name=self.region,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=32,
            tcp_keepalive=True,
            retries={"total_max_attempts": 1, "mode": "standard"}
            if changing
            else {"total_max_attempts": READ_ATTEMPTS, "mode": "adaptive"},
        )

        def extended(base_classes: list[type], **_: Any) -> None:
            base_classes.insert(0, self._renewing(service, changing=changing))

        try:
            if self._session is None:
                self._session = boto3.Session(region_name=self.region)
            # https://boto3.amazonaws.com/v1/documentation/api/latest/guide/events.html: how clients are extended
            self._session.events.register(f"creating-client-class.{service}", extended)
            try:
                client = self._session.client(service, endpoint_url=self._endpoint_url, config=config)  # type: ignore[call-overload]
            finally:
                self._session.events.unregister(f"creating-client-class.{service}", extended)
        except BotoCoreError as error:
            raise translate(error, f"Cannot use AWS {service}", changing=False) from error
        client.meta.events.register(f"after-call.{service}", self._forget_expired)
        client.meta.events.register(f"after-call.{service}", _log_call)
        if changing:
            # The last event before bytes leave (botocore.endpoint): looking for credentials is over by then.
            client.meta.events.register("before-send", self._ask_permit)
        return client

    def _renewing(self, service: str, *, changing: bool) -> type:
        aws = self

        class Renewing(BaseClient):
            def _make_api_call(self, operation_name: str, api_params: Mapping[str, Any]) -> Any:
                client: Any = self
                for pause in RENEWALS:
                    try:
                        return BaseClient._make_api_call(client, operation_name, api_params)  # type: ignore[attr-defined]
                    except ClientError as error:
                        if error_code(error) not in EXPIRED:
                            raise
                    time.sleep(pause)
                    client = aws._client(service, changing=changing)
                return BaseClient._make_api_call(client, operation_name, api_params)  # type: ignore[attr-defined]

        return Renewing

    def _ask_permit(self, **_: Any) -> None:
        self._permit.check()

    def _forget_expired(self, parsed: Mapping[str, Any], **_: Any) -> None:
        """Somebody may have logged in again meanwhile: a new session reads the credentials anew, where an old one
        keeps those that it found first."""
        if parsed.get("Error", {}).get("Code") in EXPIRED:
            with self._lock:
                self._session = None
                self._clients.clear()


def _log_call(parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
    """Log the call and its end, without what was sent: that may be secret."""
    metadata = parsed.get("ResponseMetadata", {})
    end = parsed.get("Error", {}).get("Code") or metadata.get("HTTPStatusCode", "")
    _LOG.debug("%s %s: %s", model.service_model.service_name, model.name, end)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Translates the errors of calls that change nothing. `what` names the thing asked for, as a sentence's subject."""
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        raise translate(error, what, changing=False) from error


@contextmanager
def changing(what: str) -> Iterator[None]:
    """Translates the errors of a change: one that may have arrived and was not answered is in doubt."""
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        raise translate(error, what, changing=True) from error


def translate(error: Exception, what: str, *, changing: bool) -> DeployError:
    """The error in this tool's terms, chosen by AWS's error code and never by its text."""
    if isinstance(error, ClientError):
        return _refusal(error, what, changing=changing)
    if isinstance(error, NO_CREDENTIALS):
        return AccessError(
            f"{what}: no usable AWS credentials ({_sentence(error)}).",
            resolution="Log in, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    if isinstance(error, NoRegionError):
        return PermanentError(f"{what}: no AWS region.", resolution="Set `region` in the stack file's environment.")
    if isinstance(error, NEVER_SENT) or _is_untrusted(error):
        return TransientError(f"{what}: AWS cannot be reached ({_sentence(error)}).")
    if isinstance(error, LOST):
        return _lost(f"{what}: AWS did not answer ({_sentence(error)}).", changing=changing)
    return PermanentError(f"{what}: {_sentence(error)}.")


def error_code(error: ClientError) -> str:
    """AWS's code for what went wrong, such as `ThrottlingException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _refusal(error: ClientError, what: str, *, changing: bool) -> DeployError:
    code = error_code(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = str(error.response.get("Error", {}).get("Message", "")).strip().rstrip(".")
    said = f"{what}: {text} ({code})." if text else f"{what}: {code}."
    if code in THROTTLED or status == TOO_MANY_REQUESTS:
        return TransientError(said)
    if code in EXPIRED:
        return ExpiredCredentialsError(said, resolution="Log in again.")
    if code in DENIED:
        return AccessError(said, resolution="Check the credentials in use and what they may do.")
    if status >= SERVER_ERROR or code in STALLED:
        return _lost(said, changing=changing)
    if code in MISSING or code.endswith(MISSING_ENDINGS):
        return NotFoundError(said)
    return PermanentError(said)


def _is_untrusted(error: Exception) -> bool:
    """Whether the server's certificate was refused, which is looked at before anything is sent (RFC 8446, 4.4)."""
    cause = error.kwargs.get("error") if isinstance(error, SSLError) else None
    return isinstance(cause, BaseException) and any(
        isinstance(each, ssl.SSLCertVerificationError) for each in cause.args
    )


def _lost(said: str, *, changing: bool) -> DeployError:
    return InDoubtError(said) if changing else TransientError(said)


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
