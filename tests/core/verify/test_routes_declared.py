"""Paths that move, stay and go, as the stack file declares them."""

from collections.abc import Callable

from lgtm_deploy.core.ports import HttpResponse, ListenerRule
from lgtm_deploy.core.stack import Paths
from lgtm_deploy.core.verify.check import Place, judged, summed_up
from lgtm_deploy.core.verify.finding import Level
from lgtm_deploy.core.verify.routes import arrives_at, route_groups
from tests.stacks import make_service

NAMES = "/querier.v1.QuerierService/LabelNames"
SERVICE = make_service(
    name="pyroscope",
    prefix="/pyroscope",
    paths=Paths(moves=("/ready", NAMES), keeps=("/pyroscope/ingest",), drops=("/pyroscope/render",)),
)
PLACE = Place.of(SERVICE, "http://lb", "demo")
NOT_FOUND = HttpResponse(status=404, body="404 page not found\n")
HERE, THERE = "arn:pyroscope", "arn:grafana"


def rule(*paths: str, group: str = HERE, priority: int | None = 1, **more: object) -> ListenerRule:
    fields = {"listener": "l", "port": 80, "protocol": "HTTP", **more}
    return ListenerRule(priority=priority, paths=paths, target_groups=(group,), **fields)  # type: ignore[arg-type]


RULES = (rule("/pyroscope/*"), rule(group=THERE, priority=None))


def levels(answer: Callable[[str], HttpResponse]) -> dict[str, Level]:
    groups = route_groups(SERVICE, PLACE, arrives_at(HERE, RULES, "http://lb"))
    found = {}
    for group in groups:
        parts = [judged(check, answer(check.name)) for check in group.checks]
        found[group.name] = summed_up(group.service, group.name, parts, group.fine).level
    return found


def before(path: str) -> HttpResponse:
    there = {"/pyroscope/ingest": 400, "/pyroscope/render": 200, NAMES: 200}
    return HttpResponse(status=there[path]) if path in there else NOT_FOUND


def after(path: str) -> HttpResponse:
    there = {"/pyroscope/ready": 200, "/pyroscope/ingest": 400, f"/pyroscope{NAMES}": 200}
    return HttpResponse(status=there[path]) if path in there else NOT_FOUND


def test_before_the_change_the_new_paths_are_missing_and_the_old_ones_are_there() -> None:
    assert levels(before) == {"moved paths": "degraded", "kept paths": "ok", "old paths": "degraded"}


def test_after_the_change_all_is_as_declared() -> None:
    assert levels(after) == {"moved paths": "ok", "kept paths": "ok", "old paths": "ok"}


def test_a_kept_path_that_is_lost_shows() -> None:
    lost = levels(lambda path: NOT_FOUND if path == "/pyroscope/ingest" else after(path))

    assert lost["kept paths"] == "degraded"


def test_old_paths_that_no_rule_sends_there_cannot_be_asked() -> None:
    asked = [
        check.name
        for group in route_groups(SERVICE, PLACE, arrives_at(HERE, RULES, "http://lb"))
        for check in group.checks
    ]

    assert "/ready" not in asked
    assert NAMES not in asked
    assert route_groups(SERVICE, PLACE, lambda _: False) == []


def test_methods_and_ingest_are_posted_and_nothing_is_written() -> None:
    questions = {
        check.name: check.question for group in route_groups(SERVICE, PLACE, lambda _: True) for check in group.checks
    }

    assert (questions[NAMES].method, questions[NAMES].body) == ("POST", b"{}")
    assert (questions["/pyroscope/ingest"].method, questions["/pyroscope/ingest"].body) == ("POST", b"")
    assert questions["/ready"].method == "GET"
    assert "?" not in questions["/pyroscope/ingest"].url


def test_the_first_rule_that_takes_a_path_decides() -> None:
    rules = (rule("/pyroscope/render", group=THERE), *RULES)

    arrives = arrives_at(HERE, rules, "http://lb")

    assert arrives("/pyroscope/ingest")
    assert not arrives("/pyroscope/render")
    assert not arrives("/ingest")


def test_a_listener_that_only_redirects_is_passed_over() -> None:
    redirect = ListenerRule(listener="plain", port=80, protocol="HTTP", priority=None)
    rules = (redirect, rule("/pyroscope/*", listener="tls", port=443))

    assert arrives_at(HERE, rules, "https://lb")("/pyroscope/ingest")
    assert not arrives_at(HERE, rules, "http://lb")("/pyroscope/ingest")
    assert arrives_at(HERE, rules, "http://lb:8080")("/pyroscope/ingest")


def test_a_rule_that_asks_for_more_than_a_path_is_not_taken_for_one() -> None:
    assert not arrives_at(HERE, (rule("/pyroscope/*", conditional=True),), "http://lb")("/pyroscope/ingest")
