"""Values of configured request headers, and the URLs that they are sent to."""

from base64 import b64encode
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.request_headers import RequestHeaders, is_own_url
from lgtm_deploy.core.stack import Environment, Header, Stack
from tests.stacks import make_service

SECRET = "Bearer t0ken-of-nobody"


def stack_of(*headers: Header, own: tuple[Header, ...] = ()) -> Stack:
    services = {"loki": make_service(name="loki", headers=own), "mimir": make_service(name="mimir")}
    environment = Environment(region="r", account="1" * 12, cluster="c", headers=headers)
    return Stack(name="s", directory=Path(), services=services, environment=environment)


def test_values_come_from_the_file_and_from_environment_variables() -> None:
    found = RequestHeaders.of(
        stack_of(Header(name="Authorization", variable="AUTH"), Header(name="X-Team", value="platform")),
        {"AUTH": SECRET},
    )

    assert found.services["loki"] == found.services["mimir"] == {"Authorization": SECRET, "X-Team": "platform"}
    assert found.secrets == {"AUTH": SECRET, "AUTH, credentials": "t0ken-of-nobody"}
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("pair", "more"),
    [
        (
            "user:supersecretpw",
            {"AUTH, user and password": "user:supersecretpw", "AUTH, password": "supersecretpw"},
        ),
        ("somebody:short", {"AUTH, user and password": "somebody:short"}),
    ],
)
def test_what_a_basic_value_encodes_is_secret_too(pair: str, more: dict[str, str]) -> None:
    encoded = b64encode(pair.encode()).decode()
    found = RequestHeaders.of(stack_of(Header(name="Authorization", variable="AUTH")), {"AUTH": f"Basic {encoded}"})

    assert found.secrets == {"AUTH": f"Basic {encoded}", "AUTH, credentials": encoded, **more}


@pytest.mark.parametrize("encoded", ["no-base64-here", "/////////w=="])
def test_a_basic_value_that_encodes_no_text_is_secret_as_it_is(encoded: str) -> None:
    found = RequestHeaders.of(stack_of(Header(name="Authorization", variable="AUTH")), {"AUTH": f"Basic {encoded}"})

    assert found.secrets == {"AUTH": f"Basic {encoded}", "AUTH, credentials": encoded}


def test_a_header_of_a_service_replaces_that_of_the_environment() -> None:
    own = (Header(name="x-team", value="logs"),)
    found = RequestHeaders.of(stack_of(Header(name="X-Team", value="platform"), own=own), {})

    assert found.services == {"loki": {"x-team": "logs"}, "mimir": {"X-Team": "platform"}}


def test_without_headers_there_is_nothing_to_send() -> None:
    assert RequestHeaders.of(stack_of(), {}) == RequestHeaders()


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (None, "needs the environment variable AUTH, which is not set"),
        ("", "which is not set"),
        ("  ", "which is not set"),
        ("short", "fewer than 8 characters"),
        ("Bearer x\r\nHost: y", "cannot be sent"),
        ("Bearer schlüssel", "cannot be sent"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_and_not_quoted(value: str | None, complaint: str) -> None:
    variables = {} if value is None else {"AUTH": value}
    with pytest.raises(UsageError, match=complaint) as caught:
        RequestHeaders.of(stack_of(Header(name="Authorization", variable="AUTH")), variables)

    assert "AUTH" in str(caught.value)
    assert not value or not value.strip() or value.strip() not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "own", "is_own"),
    [
        ("http://lb/loki", "http://lb", True),
        ("http://lb:80/loki", "http://lb/grafana", True),
        ("https://lb/loki", "http://lb", True),
        ("https://gw.example/otlp", "https://gw.example", True),
        ("http://lb:4318/v1/traces", "http://lb", False),
        ("http://lb/loki", "https://lb", False),
        ("https://lb:8443/loki", "http://lb", False),
        ("https://lb/loki", "http://lb:8080", False),
        ("https://idp.example/", "https://gw.example", False),
        ("http://127.0.0.1:1/", "http://127.0.0.1:2", False),
    ],
)
def test_only_the_stacks_own_url_gets_configured_headers(url: str, own: str, is_own: bool) -> None:
    assert is_own_url(url, own) is is_own
