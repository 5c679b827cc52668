"""Listener rules that lead to nothing after the change, and those that do not mind."""

import pytest

from lgtm_deploy.core.listener_rules import rule_findings
from lgtm_deploy.core.ports import ListenerRule
from lgtm_deploy.core.stack import Paths
from lgtm_deploy.core.wildcards import matches_wildcard
from tests.stacks import make_service

GROUP, OTHER = "arn:pyroscope", "arn:other"
PYROSCOPE = make_service(
    name="pyroscope",
    prefix="/pyroscope",
    paths=Paths(
        moves=("/ready", "/ingest", "/querier.v1.QuerierService/LabelNames"),
        keeps=("/pyroscope/ingest",),
        drops=("/pyroscope/render",),
    ),
)


def rule(*paths: str, group: str = GROUP, conditional: bool = False, rewrites: bool = False) -> ListenerRule:
    return ListenerRule(
        listener="arn:listener",
        port=80,
        protocol="HTTP",
        priority=40,
        paths=paths,
        target_groups=(OTHER, group),
        conditional=conditional,
        rewrites=rewrites,
    )


def broken(*paths: str, **more: bool) -> list[str]:
    found = rule_findings(PYROSCOPE, GROUP, [rule(*paths, **more)])
    return [finding.said for finding in found if finding.broken]


@pytest.mark.parametrize("path", ["/ingest", "/querier.v1.*", "/querier.v1.QuerierService/*", "/inges?", "/ready"])
def test_a_rule_for_a_path_that_moves_is_broken_and_named(path: str) -> None:
    [said] = broken("/pyroscope/*", path)

    assert "rule 40" in said
    assert f"sends {path} to pyroscope" in said
    assert "/pyroscope/" in said


def test_a_rule_for_a_path_that_is_dropped_is_broken() -> None:
    [said] = broken("/pyroscope/render")

    assert "no longer" in said


@pytest.mark.parametrize("path", ["/pyroscope/*", "/pyroscope/ingest", "/v1/traces", "/Ingest", "/ingest/"])
def test_what_works_after_the_change_or_never_worked_is_not_the_changes_fault(path: str) -> None:
    assert broken(path) == []


@pytest.mark.parametrize("paths", [("/*",), ()])
def test_a_rule_that_takes_everything_outlives_the_change_and_what_is_lost_is_told(paths: tuple[str, ...]) -> None:
    [finding] = rule_findings(PYROSCOPE, GROUP, [rule(*paths)])

    assert not finding.broken
    assert "/ingest" in finding.said


def test_rules_of_other_services_do_not_matter() -> None:
    assert rule_findings(PYROSCOPE, GROUP, [rule("/ingest", group="arn:third")]) == []


def test_what_a_rule_makes_of_the_path_cannot_be_seen() -> None:
    assert rule_findings(PYROSCOPE, GROUP, [rule("/ingest", rewrites=True), rule(conditional=True)]) == []


@pytest.mark.parametrize(
    ("pattern", "path", "taken"),
    [
        ("/a/*", "/a/", True),
        ("/a/*", "/a/b/c", True),
        ("/a/*", "/a", False),
        ("/a?c", "/abc", True),
        ("/a?c", "/ac", False),
        ("/a.c", "/abc", False),
        ("/A", "/a", False),
        ("*", "/", True),
        ("/[ab]", "/a", False),
    ],
)
def test_patterns_are_the_load_balancers_own(pattern: str, path: str, taken: bool) -> None:
    assert matches_wildcard(pattern, path) is taken
