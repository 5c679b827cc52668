"""The method by which a path is asked."""

import pytest

from lgtm_deploy.core.stack import Probe


@pytest.mark.parametrize(
    "path",
    [
        "/loki/api/v1/push",
        "/api/prom/push",
        "/mimir/api/v1/push",
        "/ingest?name=x",
        "/pyroscope/ingest",
        "/push.v1.PusherService/Push",
    ],
)
def test_the_write_paths_of_the_programs_are_asked_by_post(path: str) -> None:
    assert Probe(path=path).verb == "POST"


@pytest.mark.parametrize("path", ["/notifications/push", "/push", "/loki/api/v1/push/rules", "/api/v1/pushes"])
def test_a_path_that_only_looks_like_a_write_path_is_asked_by_get(path: str) -> None:
    assert Probe(path=path).verb == "GET"
