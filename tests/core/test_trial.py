"""What is asked of an image that is tried out, and what its answers mean."""

from dataclasses import replace

import pytest

from lgtm_deploy.core.contract import Contract, Reply, Silence, Trial
from lgtm_deploy.core.placeholders import taken
from lgtm_deploy.core.ports import Answer, Ended, ListenerRule
from lgtm_deploy.core.stack import Health, Paths, Probe, Service
from lgtm_deploy.core.trial import Checks, Questions, checked, how_ended, lacks, losses, not_ready, table, unmet
from lgtm_deploy.core.trial import questions as questions_at
from tests.stacks import make_service

OURS, OTHERS = "arn:tempo", "arn:grafana"
SERVICE = make_service(
    name="tempo",
    prefix="/tempo",
    health=Health(path="/tempo/ready", body="ready"),
    paths=Paths(moves=("/ready", "/api/echo"), keeps=("/status",), drops=("/old",)),
    expects=(Probe(path="/tempo/api/echo"),),
)


def rule(*paths: str, group: str = OURS, conditional: bool = False, rewrites: bool = False) -> ListenerRule:
    return ListenerRule(
        listener="arn:listener",
        port=80,
        protocol="HTTP",
        priority=None if not paths else 1,
        paths=paths,
        target_groups=(group,),
        conditional=conditional,
        rewrites=rewrites,
    )


def answer(status: int, body: str = "") -> Answer:
    return Answer(status=status, body=body, seconds=0.1)


def trial(**statuses: int) -> Trial:
    """Answers by path, written with `_` for `/`."""
    replies = {name.replace("_", "/"): status for name, status in statuses.items()}
    return Trial(
        replies=tuple(
            Reply(path=path, status=status, body="404 page not found" if status == 404 else "x")
            for path, status in replies.items()
        )
    )


def questions(service: Service, old_path: str, rules: list[ListenerRule], group: str) -> Questions:
    return questions_at(service, old_path, rules, group, now=1_796_000_000.0)


def looked(*looks: tuple[float, int, int], body: str = "ready") -> Checks:
    """At these seconds, two health paths answered so."""
    checks = Checks()
    for at, one, other in looks:
        replies = tuple(
            checked(path, answer(status, body) if status else Silence(), SERVICE.health, "200")
            for path, status in (("/ready", one), ("/tempo/ready", other))
        )
        checks = checks.then(replies, at)
    return checks


def test_both_health_paths_and_all_that_is_declared_or_routed_is_asked_once() -> None:
    found = questions(SERVICE, "/ready", [rule("/tempo/*", "/v1/traces")], OURS)

    assert found.checks == ("/ready", "/tempo/ready")
    assert [probe.path for probe in found.paths] == ["/api/echo", "/status", "/old", "/v1/traces"]
    assert found.expects == SERVICE.expects
    assert set(found.routed) == {"/tempo/ready", "/tempo/api/echo", "/v1/traces"}


@pytest.mark.parametrize(
    ("rules", "routed"),
    [
        ([rule("/api/ech?")], True),
        ([rule("/API/*")], False),
        ([rule("/api/*", group=OTHERS), rule("/api/*")], False),
        ([rule("/api/*", group=OTHERS, conditional=True), rule("/api/*")], True),
        ([rule("/api/*", rewrites=True)], False),
        ([rule(group=OURS)], True),
        ([rule("/api/*", group=OTHERS), rule(group=OURS)], False),
        ([], False),
    ],
)
def test_a_path_is_routed_by_the_first_rule_that_takes_it(rules: list[ListenerRule], routed: bool) -> None:
    assert ("/api/echo" in questions(SERVICE, "/ready", rules, OURS).routed) is routed


@pytest.mark.parametrize(
    ("status", "body", "healthy"),
    [(200, "ready\n", True), (200, "<title>Grafana</title>", False), (503, "ready", False)],
)
def test_a_body_counts_and_not_only_a_code(status: int, body: str, healthy: bool) -> None:
    assert checked("/ready", answer(status, body), SERVICE.health, "200").healthy is healthy


def test_an_answer_that_the_check_does_not_wait_for_is_not_healthy() -> None:
    slow = Answer(status=200, body="ready", seconds=2.5)

    late, early = (checked("/ready", slow, SERVICE.health, "200", timeout) for timeout in (2, 5))

    assert (late.healthy, early.healthy) == (False, True)
    assert "answers 200 (ready) after 2.5 s, which is longer than the health check waits" in not_ready(
        Checks(replies=(late,), elapsed=60)
    )


def test_an_image_is_ready_when_one_path_is_healthy_and_no_other_is_starting() -> None:
    assert looked((0, 404, 503), (1, 404, 200)).verdict(60) == "ready"
    assert looked((0, 503, 503), (1, 503, 200)).verdict(60) == "wait"
    assert looked((0, 503, 503), (1, 503, 200), (60, 503, 200)).verdict(60) == "ready"
    assert looked((0, 404, 503), (3, 404, 200)).ready == 3


def test_an_image_that_starts_is_waited_for_until_its_time_is_over() -> None:
    assert looked((0, 0, 0), (30, 404, 503)).verdict(60) == "wait"
    assert looked((0, 0, 0), (59, 0, 0)).verdict(60) == "wait"
    assert looked((0, 404, 503), (60, 404, 503)).verdict(60) == "never"


def test_paths_that_are_not_there_are_not_waited_for_to_the_end() -> None:
    assert looked((0, 0, 0), (2, 404, 404), (11, 404, 404)).verdict(60) == "wait"
    assert looked((0, 0, 0), (2, 404, 404), (12, 404, 404)).verdict(60) == "never"
    assert looked((0, 404, 503), (9, 404, 503), (11, 404, 404)).verdict(60) == "wait"


def test_an_image_that_is_not_ready_is_told_with_what_each_path_answers() -> None:
    checks = looked((0, 404, 0), (12, 404, 0), body="404 page not found")

    assert not_ready(checks) == (
        "is not ready after 12 s: /ready answers 404 (404 page not found), /tempo/ready does not answer"
    )


@pytest.mark.parametrize(
    ("status", "log", "said"),
    [
        (404, ("level=info msg=a",), ""),
        (404, ("level=error msg=b",), ": first errors in its log: level=error msg=b"),
        (503, ("level=info msg=a",), ": last log lines: level=info msg=a"),
        (0, ("field x not found",), ": last log lines: field x not found"),
        (0, (), ""),
    ],
)
def test_the_log_of_an_image_that_is_not_ready_is_quoted_where_it_may_say_why(
    status: int, log: tuple[str, ...], said: str
) -> None:
    checks = looked((0, status, 404), (120, status, 404), body="x")

    assert not_ready(checks, log).endswith(f"/tempo/ready answers 404 (x){said}")


def test_an_end_is_told_with_code_memory_and_last_words() -> None:
    assert how_ended(Ended(exit_code=1, log=("a", "b"))) == "exits with code 1: last log lines: a | b"
    assert how_ended(Ended(exit_code=137, out_of_memory=True)) == "exits with code 137 (out of memory) without a word"


def test_what_is_missing_is_named() -> None:
    assert lacks(["BUCKET", "REGION"], ["TOKEN"]) == (
        "its config takes ${BUCKET}, ${REGION}, which nothing sets; "
        "the task definition's secrets TOKEN have no value here"
    )
    assert lacks([], []) == ""


def test_an_expectation_is_met_by_code_and_body() -> None:
    probe = Probe(path="/q", status=200, body="names", send="{}")

    assert unmet(probe, answer(200, '{"names":[]}')) == ""
    assert unmet(probe, answer(404, "unimplemented:\n404 Not Found")) == (
        "POST /q answers 404 (unimplemented: 404 Not Found), the stack file expects 200 with 'names'"
    )
    assert unmet(replace(probe, send="", body=""), Silence()) == ("GET /q does not answer, the stack file expects 200")


OLD = trial(_api_echo=200, _status=200, _old=200, _ingest=400, _odd=405)


@pytest.mark.parametrize(
    ("new", "routed", "lost"),
    [
        (trial(_tempo_api_echo=200, _status=200, _ingest=404), (), ""),
        (trial(_tempo_api_echo=200, _status=200, _ingest=404), ("/ingest",), "sends /ingest to tempo"),
        (trial(_tempo_api_echo=200, _status=200, _ingest=400), ("/ingest",), ""),
        # A wrong method: neither 405 nor, under a prefix, 404 tells anything.
        (trial(_tempo_api_echo=200, _status=200, _odd=404), ("/odd",), ""),
        (trial(_tempo_api_echo=200, _status=405, _old=404), (), ""),
        # An error of the server is no answer.
        (trial(_tempo_api_echo=500, _status=200), (), "/tempo/api/echo, on which the new image answers 500 (x)"),
        (trial(_tempo_api_echo=200, _status=503), (), "keeps /status, on which the new image answers 503 (x)"),
        (trial(_tempo_api_echo=200, _status=404), (), "keeps /status"),
        (trial(_tempo_api_echo=404, _status=200), (), "/api/echo moves to /tempo/api/echo"),
        (trial(_tempo_api_echo=401, _status=200, _old=404), ("/old",), ""),
    ],
)
def test_what_somebody_depends_on_must_not_get_lost(new: Trial, routed: tuple[str, ...], lost: str) -> None:
    found = losses(SERVICE, Contract(old_path="/ready", new_path="/tempo/ready", new=new, old=OLD), routed)

    assert lost in "; ".join(found)
    assert bool(found) is bool(lost)


@pytest.mark.parametrize("everything", [rule("/*"), rule(), rule("/api/*", "/ready", conditional=True)])
def test_a_rule_that_takes_more_than_what_moves_does_not_speak_against_the_image(everything: ListenerRule) -> None:
    routed = questions(SERVICE, "/health", [everything], OURS).routed
    old = trial(_ready=200, _health=200, _api_echo=200, _status=200)
    new = trial(_ready=404, _health=404, _api_echo=404, _status=200, _tempo_api_echo=200, _tempo_ready=200)

    contract = Contract(old_path="/health", new_path="/tempo/ready", new=new, old=old)

    assert "/api/echo" in routed
    assert losses(SERVICE, contract, routed) == ()


def test_nothing_is_lost_that_nobody_could_see_before() -> None:
    contract = Contract(old_path="/ready", new_path="/tempo/ready", new=trial(_status=404))

    assert losses(SERVICE, contract, ("/status",)) == ()


def test_the_table_fits_a_narrow_terminal() -> None:
    new = Trial(replies=(Reply(path="/tempo/ready", status=200, healthy=True), Reply(path="/" + "x" * 90, status=404)))

    lines = table(SERVICE, Contract(old_path="/ready", new_path="/tempo/ready", new=new, old=trial(_ready=200)))

    assert all(len(line) <= 76 for line in lines)
    assert lines[1].split() == ["/tempo/ready", "200", "healthy", "-"]
    assert lines[3].split() == ["/ready", "-", "200"]


def test_a_config_takes_what_has_no_default() -> None:
    text = "a: ${BUCKET}\nb: ${REGION:eu}\nc: ${ZONE:-eu}\nd: $__env{TOKEN}\ne: ${__from}\nf: ${datasource}"

    assert taken(text) == {"BUCKET", "TOKEN"}


@pytest.mark.parametrize("before", ["/items", "/x/items"])
def test_a_moved_path_that_answered_and_is_a_404_of_the_program_is_lost(before: str) -> None:
    service = make_service(name="shop", prefix="/x", paths=Paths(moves=("/items",)))
    old = Trial(replies=(Reply(path=before, status=200),))
    unknown = '{"detail":"Not Found"}'
    new = Trial(replies=tuple(Reply(path=path, status=404, body=unknown) for path in ("/items", "/x/items")))

    assert losses(service, Contract(old_path="/h", new_path="/h", old=old, new=new), ()) == (
        "the stack file says that /items moves to /x/items, which the new image does not answer",
    )
