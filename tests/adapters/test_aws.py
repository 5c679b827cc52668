"""What AWS's errors mean, by their codes."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.stub import Stubber
from urllib3.exceptions import SSLError as WrappedError

from lgtm_deploy.adapters.aws import Aws, changing, reading, translate
from lgtm_deploy.core.errors import (
    AccessError,
    DeployError,
    ExpiredCredentialsError,
    InDoubtError,
    LockLostError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from lgtm_deploy.core.permit import Permit

URL = "http://aws.example"


def refusal(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "Words."}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Anything")


def tls(cause: ssl.SSLError) -> SSLError:
    """As urllib3 and botocore wrap it."""
    return SSLError(endpoint_url=URL, error=WrappedError(cause))


@pytest.mark.parametrize(
    ("error", "read", "change"),
    [
        (refusal("ThrottlingException", 400), TransientError, TransientError),
        (refusal("Throttling", 503), TransientError, TransientError),
        (refusal("Whatever", 429), TransientError, TransientError),
        (refusal("EC2ThrottledException", 400), TransientError, TransientError),
        (refusal("ProvisionedThroughputExceededException", 400), TransientError, TransientError),
        (refusal("TransactionInProgressException", 400), TransientError, TransientError),
        (refusal("OperationAborted", 409), TransientError, TransientError),
        (refusal("RequestTimeout", 400), TransientError, InDoubtError),
        (refusal("RequestTimeoutException", 400), TransientError, InDoubtError),
        (refusal("ServerException", 500), TransientError, InDoubtError),
        (refusal("503", 503), TransientError, InDoubtError),
        (refusal("ExpiredTokenException", 400), ExpiredCredentialsError, ExpiredCredentialsError),
        (refusal("AccessDeniedException", 400), AccessError, AccessError),
        (refusal("UnrecognizedClientException", 400), AccessError, AccessError),
        (refusal("ServiceNotFoundException", 400), NotFoundError, NotFoundError),
        (refusal("TargetGroupNotFound", 400), NotFoundError, NotFoundError),
        (refusal("InvalidParameterException", 400), PermanentError, PermanentError),
        (refusal("LimitExceededException", 400), PermanentError, PermanentError),
        (EndpointConnectionError(endpoint_url=URL), TransientError, TransientError),
        (ConnectTimeoutError(endpoint_url=URL), TransientError, TransientError),
        (ReadTimeoutError(endpoint_url=URL), TransientError, InDoubtError),
        (ConnectionClosedError(endpoint_url=URL), TransientError, InDoubtError),
        (ProxyConnectionError(proxy_url=URL), TransientError, InDoubtError),
        (tls(ssl.SSLCertVerificationError("unknown authority")), TransientError, TransientError),
        (tls(ssl.SSLError("bad record mac")), TransientError, InDoubtError),
        (tls(ssl.SSLEOFError("EOF in violation of protocol")), TransientError, InDoubtError),
        (NoCredentialsError(), AccessError, AccessError),
        (ParamValidationError(report="x"), PermanentError, PermanentError),
    ],
)
def test_errors_are_sorted_by_code(error: Exception, read: type[DeployError], change: type[DeployError]) -> None:
    assert type(translate(error, "The thing", changing=False)) is read
    assert type(translate(error, "The thing", changing=True)) is change


def test_the_sentence_names_the_thing_and_the_code() -> None:
    found = translate(refusal("ServiceNotFoundException", 400), "ECS service tempo", changing=False)

    assert found.message == "ECS service tempo: Words (ServiceNotFoundException)."


def test_a_stubbed_refusal_is_translated_from_its_cause() -> None:
    client = Aws(region="eu-west-1", endpoint_url=URL).writer("ecs")
    with Stubber(client) as stub:
        stub.add_client_error("update_service", "ServiceNotFoundException", "No.", http_status_code=400)
        with pytest.raises(NotFoundError) as found, changing("The update"):
            client.update_service(service="tempo")

    assert isinstance(found.value.__cause__, ClientError)


def test_clients_are_made_once() -> None:
    aws = Aws(region="eu-west-1", endpoint_url=URL)

    assert aws.reader("ecs") is aws.reader("ecs")
    assert aws.reader("ecs") is not aws.writer("ecs")


def test_the_endpoint_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", URL)

    assert Aws(region="eu-west-1").reader("ecs").meta.endpoint_url == URL


class Server:
    """Counts requests and answers each with the same bytes; without any it only hangs up."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                request = b""
                while b"tempo" not in request:
                    request += connection.recv(65536)
                self.asked += 1
                connection.sendall(self._answer)

    def close(self) -> None:
        # Closing alone does not wake a thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def broken() -> Iterator[Server]:
    body = b'{"__type": "ServerException", "message": "Words"}'
    head = b"HTTP/1.1 500 Broken\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    with closing(Server(head + body)) as server:
        yield server


@pytest.fixture
def silent() -> Iterator[Server]:
    with closing(Server(b"")) as server:
        yield server


def test_a_change_is_sent_once_and_in_doubt_on_a_5xx(broken: Server) -> None:
    with pytest.raises(InDoubtError, match="ServerException"), changing("The update"):
        Aws(region="eu-west-1", endpoint_url=broken.url).writer("ecs").update_service(service="tempo")

    assert broken.asked == 1


def test_a_change_is_sent_once_and_in_doubt_when_the_connection_is_lost(silent: Server) -> None:
    with pytest.raises(InDoubtError), changing("The update"):
        Aws(region="eu-west-1", endpoint_url=silent.url).writer("ecs").update_service(service="tempo")

    assert silent.asked == 1


def test_a_read_is_tried_again(broken: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lgtm_deploy.adapters.aws.READ_ATTEMPTS", 2)
    with pytest.raises(TransientError), reading("The service"):
        Aws(region="eu-west-1", endpoint_url=broken.url).reader("ecs").describe_services(services=["tempo"])

    assert broken.asked == 2


def test_nobody_there_is_transient_even_for_a_change() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransientError, match="cannot be reached"), changing("The update"):
        Aws(region="eu-west-1", endpoint_url=f"http://127.0.0.1:{port}").writer("ecs").update_service(service="tempo")


def test_clients_are_made_anew_once_the_credentials_have_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    file.write_text("[default]\naws_access_key_id = EARLIER\naws_secret_access_key = x\n", encoding="utf-8")
    expired = b'{"__type": "ExpiredTokenException", "message": "The security token included in the request is expired"}'
    answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(expired), expired)
    with closing(Server(answer)) as server:
        aws = Aws(region="eu-west-1", endpoint_url=server.url)
        with pytest.raises(ExpiredCredentialsError, match="Log in again"), reading("The service"):
            aws.reader("ecs").describe_services(services=["tempo"])

    file.write_text(file.read_text(encoding="utf-8").replace("EARLIER", "LATER"), encoding="utf-8")
    assert aws.reader("ecs")._request_signer._credentials.access_key == "LATER"


def revoked(*answers: bool) -> Permit:
    """Permits as these say, in this order."""
    left = list(answers)
    permit = Permit()

    def guard() -> None:
        if not left.pop(0):
            raise LockLostError("Run 7f3a no longer holds environment 'prod'.")

    permit.bind(guard)
    return permit


def test_a_change_asks_its_permit_before_it_is_sent_and_a_read_does_not(
    broken: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lgtm_deploy.adapters.aws.READ_ATTEMPTS", 1)
    aws = Aws(region="eu-west-1", endpoint_url=broken.url, permit=revoked(True, False))
    with pytest.raises(InDoubtError), changing("The update"):
        aws.writer("ecs").update_service(service="tempo")
    with pytest.raises(LockLostError), changing("The update"):
        aws.writer("ecs").update_service(service="tempo")
    with pytest.raises(LockLostError), changing("The rule"):
        Aws(region="eu-west-1", endpoint_url=broken.url, permit=revoked(False)).writer("elbv2").delete_rule(
            RuleArn="tempo"
        )
    assert broken.asked == 1

    with pytest.raises(TransientError), reading("The service"):
        Aws(region="eu-west-1", endpoint_url=broken.url, permit=revoked()).reader("ecs").list_clusters(
            nextToken="tempo"
        )


def test_a_change_that_is_sent_again_with_fresh_credentials_asks_its_permit_again() -> None:
    body = b'{"__type": "ExpiredTokenException", "message": "Words"}'
    answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with closing(Server(answer)) as server:
        aws = Aws(region="eu-west-1", endpoint_url=server.url, permit=revoked(True, False))
        with pytest.raises(LockLostError), changing("The update"):
            aws.writer("ecs").update_service(service="tempo")

        assert server.asked == 1
