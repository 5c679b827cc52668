"""Advice about a service that does not serve its prefix."""

import pytest

from lgtm_deploy.core.ports import HttpResponse
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.verify.check import Place, judged
from lgtm_deploy.core.verify.explained import explained
from lgtm_deploy.core.verify.routes import kept_check
from tests.stacks import make_service


@pytest.mark.parametrize(
    ("service", "advice"),
    [
        (
            make_service(name="traces", kind="tempo", version="2.9.0", prefix="/x"),
            "Give traces its prefix (`http_api_prefix`;",
        ),
        (make_service(name="tempo", prefix="/x"), "Give Tempo its prefix (`http_api_prefix`;"),
        (make_service(name="loki", version="3.5.1", prefix="/x"), "Give Loki its prefix (`server.http_path_prefix`;"),
        (
            make_service(name="pyroscope", version="2.0.4", prefix="/x"),
            "Give Pyroscope its prefix (`server.http_path_prefix`;",
        ),
        (
            make_service(name="profiles", kind="pyroscope", version="1.13.5", prefix="/x"),
            "Use Pyroscope 2.0.4: version 1.13.5 does not work under a prefix.",
        ),
        (make_service(name="tempo", kind="other", prefix="/x"), "Give Tempo its prefix (`lgtm-deploy plan"),
    ],
)
def test_a_route_that_is_not_there_under_the_prefix_is_advised_by_kind_and_version(
    service: Service, advice: str
) -> None:
    check = kept_check(Place.of(service, "http://lb", ""), "/x/api")
    heard = HttpResponse(status=404, body="404 page not found\n", url=check.question.url)

    found = explained(service, judged(check, heard), check.question, heard)

    assert found.todo.startswith(advice)
