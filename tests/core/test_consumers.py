"""Who names a path that moves: found in configuration of every kind, and never in a comment."""

from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.consumers import Named, named
from lgtm_deploy.core.stack import Paths
from tests.stacks import make_service

TEMPO = make_service(
    name="tempo",
    port=3200,
    prefix="/tempo",
    hosts=("traces",),
    paths=Paths(moves=("/ready", "/metrics", "/api/echo", "/api/search")),
)
PYROSCOPE = make_service(
    name="pyroscope",
    port=4040,
    prefix="/pyroscope",
    paths=Paths(
        moves=("/ready", "/ingest", "/querier.v1.QuerierService/LabelNames"),
        keeps=("/pyroscope/ingest",),
        drops=("/pyroscope/render",),
    ),
)
LOKI = make_service(name="loki", port=3100)
ROOT = Path(__file__).resolve().parents[2]


def found(text: str, file: str = "a.yaml") -> list[Named]:
    return named({file: text}, [TEMPO, PYROSCOPE, LOKI])


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("url: http://tempo:3200", "http://tempo:3200/tempo"),
        ("url: http://tempo:3200/", "http://tempo:3200/tempo"),
        ("url: 'http://TEMPO:3200'", "http://TEMPO:3200/tempo"),
        ("url: http://traces:3200", "http://traces:3200/tempo"),
        ("url: http://tempo.lgtm.local:3200", "http://tempo.lgtm.local:3200/tempo"),
        ("url: http://tempo:3200/api/search?limit=1", "http://tempo:3200/tempo/api/search?limit=1"),
        ("url: http://tempo:3200/api", "http://tempo:3200/tempo/api"),
        ("url: http://pyroscope:4040/ingest", "http://pyroscope:4040/pyroscope/ingest"),
        ("url: http://pyroscope:4040/querier.v1.QuerierService/LabelNames", None),
        ("proxy_pass: tempo:3200/api/search", "tempo:3200/tempo/api/search"),
        ("at: localhost and http://tempo:3200, too", "http://tempo:3200/tempo"),
    ],
)
def test_a_path_that_moves_breaks_who_names_it_and_the_new_one_is_told(line: str, instead: str | None) -> None:
    [one] = found(f"# first\n{line}\n")

    assert (one.outcome, one.line) == ("broken", 2)
    assert instead is None or one.instead == instead
    assert one.place == "a.yaml:2"


@pytest.mark.parametrize(
    "line",
    [
        "url: http://tempo.${var.domain}:3200",
        "url = http://tempo.${var.domain}:3200/api/search",
        "url: https://${var.env}-tempo.lgtm.local:3200",
        "url: http://${local.tempo_host}:3200",
        "url: http://tempo:${TEMPO_PORT}/api/search",
        "url: http://$TEMPO:3200/tempo",
        "url: http://ada:hunter2@{{ .Values.tempo.host }}:3200",
        "TEMPO_ADDRESS=tempo.$(DOMAIN):3200",
    ],
)
def test_a_host_that_is_filled_in_elsewhere_is_told_as_unclear(line: str) -> None:
    [one] = found(line)

    assert (one.outcome, one.service, one.instead) == ("unclear", "tempo", "")
    assert "cannot be seen" in one.why
    assert "hunter2" not in str(one)


@pytest.mark.parametrize(
    "line",
    [
        "url: http://loki.${var.domain}:3100",
        "url: http://tempo.${var.domain}:4318/v1/traces",
        "url: http://tempo.${var.domain}/",
        "url: http://contempo.${var.domain}:3200",
        "url: http://${var.host}:3200",
        "image: ${REGISTRY}/grafana/tempo:3200",
        "name: ${var.env}-tempo",
        "url: http://pyroscope.${var.domain}:4040/pyroscope/ingest",
    ],
)
def test_what_is_filled_in_and_can_be_nothing_that_changes_is_left_in_peace(line: str) -> None:
    assert found(line) == []


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("tempo.staging.lgtm.local", False),
        ("tempo.lgtm-staging.local", False),
        ("tempo.prod-eu.local", False),
        ("tempo.${local.zone}.staging.local", False),
        ("tempo.prod.local", True),
        ("tempo.stagings.local", True),
        ("tempo.lgtm.local", True),
        ("tempo", True),
        ("traces.shared.staging.local", True),
    ],
)
def test_a_host_of_another_environment_is_not_this_ones_business(host: str, ours: bool) -> None:
    tempo = replace(TEMPO, hosts=("traces.shared.staging.local",))
    text = f"url: http://{host}:3200\n"

    told = named({"a.yaml": text}, [tempo], environment="prod", others=("staging", "prod-eu"))

    assert bool(told) is ours


@pytest.mark.parametrize("login", ["ada:hunter2", "ada:hunt@er2", "hunter2", "${USER}:hunter2"])
def test_a_password_in_a_url_is_told_to_nobody(login: str) -> None:
    [one] = found(f"url: http://{login}@tempo:3200/api/search")

    assert one.outcome == "broken"
    assert one.says == "http://***@tempo:3200/api/search"
    assert one.instead == "http://***@tempo:3200/tempo/api/search"


@pytest.mark.parametrize(
    "line",
    [
        "url: http://tempo:4318/v1/traces",
        "endpoint: tempo:4317",
        "url: http://loki:3100",
        "url: http://pyroscope:4040/pyroscope/ingest",
        "image: grafana/tempo:3200",
        "image: tempo:2.3.1",
        "url: http://not-tempo:3200",
        "url: http://contempo:3200",
        "url: http://tempo-gateway:3200",
        "name: tempo",
        "port: 3200",
        "# url: http://tempo:3200",
        "name: x # was http://tempo:3200",
        'description = "How to reach it (http://tempo:3200)."',
        '"description": "http://tempo:3200",',
    ],
)
def test_what_does_not_name_a_path_that_changes_is_left_in_peace(line: str) -> None:
    assert found(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "url: http://tempo:3200/tempo",
        "url: http://tempo:3200/tempo/api/search",
        "url: http://pyroscope:4040/pyroscope",
    ],
)
def test_who_names_the_new_path_must_change_with_the_service(line: str) -> None:
    [one] = found(line)

    assert (one.outcome, one.instead) == ("follows", "")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("url: http://tempo:3200/v1/traces", "/v1/traces"),
        ("TEMPO_ADDRESS=tempo:3200", "cannot be seen"),
        ("url: http://tempo:3200${TEMPO_PATH}", "cannot be seen"),
    ],
)
def test_what_nobody_can_tell_is_said_and_not_called_broken(line: str, why: str) -> None:
    [one] = found(line)

    assert one.outcome == "unclear"
    assert why in one.why


def test_a_path_that_is_answered_no_longer_is_broken_and_has_no_substitute() -> None:
    [one] = found("url: http://pyroscope:4040/pyroscope/render?query=x")

    assert (one.outcome, one.instead) == ("broken", "")
    assert "no longer" in str(one)


@pytest.mark.parametrize(
    ("file", "text", "lines"),
    [
        ("a.tf", '// http://tempo:3200\nurl = "http://tempo:3200" // http://tempo:3200\n', [2]),
        ("a.tf", '/* http://tempo:3200\nhttp://tempo:3200 */ x = "http://tempo:3200"\n', [2]),
        ("a.tfvars", 'x = { TEMPO_URL = "http://tempo:3200" } # http://tempo:3200\n', [1]),
        ("a.ini", "; http://tempo:3200\n# http://tempo:3200\nurl = http://tempo:3200\n", [3]),
        ("a.json", '{"url": "http://tempo:3200"}\n', [1]),
        ("a.alloy", '// url = "http://tempo:3200"\nurl = "http://tempo:3200"\n', [2]),
        ("a.toml", 'url = "http://tempo:3200" # as "http://tempo:3200"\n', [1]),
        ("a.yaml", "url: 'http://tempo:3200/#/x' # it's gone\n", [1]),
        ("a.yaml", "a: it's # http://tempo:3200\nb: http://tempo:3200\n", [2]),
    ],
)
def test_comments_do_not_count_whatever_their_sign(file: str, text: str, lines: list[int]) -> None:
    assert [one.line for one in found(text, file)] == lines


SCRAPE = """\
scrape_configs:
  - job_name: loki
    metrics_path: /loki/metrics
    static_configs:
      - targets: ["loki:3100"]
  - job_name: tempo
    {metrics_path}
    static_configs:
    - targets:
      - tempo:3200
  - job_name: after
    metrics_path: /after/metrics
"""


def test_a_scrape_asks_for_metrics_where_nothing_else_is_said() -> None:
    [one] = found(SCRAPE.format(metrics_path="scheme: http"))

    assert (one.outcome, one.line) == ("broken", 10)
    assert one.says == "tempo:3200 (scraped at /metrics)"
    assert one.instead == "metrics_path /tempo/metrics"


def test_a_scrape_of_the_new_path_follows() -> None:
    [one] = found(SCRAPE.format(metrics_path="metrics_path: /tempo/metrics"))

    assert one.outcome == "follows"


@pytest.mark.parametrize(("path", "outcome"), [("", "broken"), ('metrics_path = "/tempo/metrics"', "follows")])
def test_alloy_scrapes_in_blocks(path: str, outcome: str) -> None:
    text = f'prometheus.scrape "tempo" {{\n  targets = [{{"__address__" = "tempo:3200"}}]\n  {path}\n}}\n'
    other = 'prometheus.scrape "x" {\n  metrics_path = "/y"\n}\n'

    [one] = found(other + text + other, "config.alloy")

    assert (one.outcome, one.line) == (outcome, 5)


def test_localhost_is_the_service_in_its_own_image_only() -> None:
    text = "url: http://localhost:3200/ready\n"

    assert found(text) == []
    [one] = named({"a.yaml": text}, [TEMPO], {"a.yaml": TEMPO})
    assert one.instead == "http://localhost:3200/tempo/ready"


def test_a_service_without_a_change_of_paths_breaks_nobody() -> None:
    assert named({"a.yaml": "url: http://loki:3100"}, [LOKI]) == []


def test_grafanas_data_sources_of_the_example_follow_and_those_before_them_break() -> None:
    place = "dockerfiles/grafana/config/provisioning/datasources/datasources.yaml"
    committed = (ROOT / "examples/lgtm-stack" / place).read_text()
    before = (ROOT / "examples/lgtm-stack/start-state" / place).read_text()

    assert [(one.service, one.outcome) for one in found(committed)] == [("tempo", "follows"), ("pyroscope", "follows")]
    assert [(one.outcome, one.instead) for one in found(before)] == [
        ("broken", "http://tempo:3200/tempo"),
        ("broken", "http://pyroscope:4040/pyroscope"),
    ]
