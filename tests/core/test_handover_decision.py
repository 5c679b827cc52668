"""In which sequence a health check moves."""

from dataclasses import replace

import pytest

from lgtm_deploy.core.contract import Contract, Reply, Trial
from lgtm_deploy.core.handover import HANDOVER_WINDOW, Decision, Facts, decide
from lgtm_deploy.core.stack import Rehearsal
from tests.core.handover_facts import NEW, OLD, check, contract, facts, reply, service

DOCUMENTED = ("direct", "grace-hold")
ANY = ("direct", "check-first", "matcher-widening", "grace-hold")


def decided(*services: Facts, allow: tuple[str, ...] = ANY) -> Decision:
    found = decide(services, allow=allow)
    assert isinstance(found, Decision), found
    return found


def refused(*services: Facts, allow: tuple[str, ...] = ANY) -> str:
    found = decide(services, allow=allow)
    assert not isinstance(found, Decision), found
    return "; ".join(map(str, found))


@pytest.mark.parametrize(
    ("new", "old", "allow", "sequence"),
    [
        ((200, 200), (200, 404), ANY, "direct"),
        ((200, 200), (200, 200), ANY, "direct"),
        ((404, 200), (200, 200), ANY, "check-first"),
        ((404, 200), (200, 200), DOCUMENTED, "grace-hold"),
        ((404, 200), (200, 404), ANY, "matcher-widening"),
        ((404, 200), (200, 404), DOCUMENTED, "grace-hold"),
        ((404, 200), (200, 503), ANY, "grace-hold"),
        ((404, 200), (200, 0), ANY, "grace-hold"),
        ((200, 200), (200, 404), ("grace-hold",), "grace-hold"),
    ],
)
def test_the_matrix_and_the_plan_choose_the_sequence(
    new: tuple[int, int], old: tuple[int, int], allow: tuple[str, ...], sequence: str
) -> None:
    tempo = facts(contract=contract(new=new, old=old), service=service(matcher_variable="tempo_matcher"))

    assert decided(tempo, allow=allow).sequence == sequence


def test_the_documented_change_is_held_with_thresholds_that_leave_a_margin() -> None:
    found = decided(facts())

    assert found == Decision(
        sequence="grace-hold",
        ways=found.ways,
        windows={"tempo": HANDOVER_WINDOW},
        variables={},
    )
    assert found.sequences == {"tempo": "grace-hold"}


@pytest.mark.parametrize("status", [404, 503, 0])
def test_an_image_that_fails_on_the_new_path_is_refused_whatever_is_permitted(status: int) -> None:
    reason = refused(facts(contract=contract(new=(200, status))))

    assert reason.startswith("tempo: the new image ")
    assert ("does not answer" if status == 0 else f"answers {status}") in reason
    assert "/tempo/ready" in reason
    assert "no sequence can work" in reason


def test_a_code_without_the_right_body_is_not_healthy() -> None:
    login = Reply(path=NEW, status=200, body="<title>Grafana</title>")
    page = Contract(old_path=OLD, new_path=NEW, new=Trial(replies=(login,)))

    assert "answers 200 without the body that the stack file asks for '<title>Grafana" in refused(facts(contract=page))


def test_tempo_that_serves_no_route_is_told_apart_and_the_setting_that_works_is_named() -> None:
    replies = (reply(OLD, 404), reply(NEW, 404), reply("/tempo/api/echo", 404), reply("/tempo/metrics", 200))
    silent = Contract(old_path=OLD, new_path=NEW, new=Trial(replies=replies))
    tempo = replace(service(), version="2.9.0")

    reason = refused(facts(contract=silent, service=tempo))

    assert "Tempo 2.9.0 serves no route but /tempo/metrics: no release from 1.5 on can read" in reason
    assert "Set the top-level `http_api_prefix: /tempo` instead" in reason


@pytest.mark.parametrize(
    ("name", "version", "echo"), [("tempo", "2.3.1", 404), ("tempo", "2.9.0", 200), ("pyroscope", "2.9.0", 404)]
)
def test_the_cause_is_not_named_where_it_is_another(name: str, version: str, echo: int) -> None:
    replies = (reply(OLD, 404), reply(NEW, 404), reply(f"/{name}/api/echo", echo))
    silent = Contract(old_path=OLD, new_path=NEW, new=Trial(replies=replies))

    assert "prefix`" not in refused(facts(contract=silent, service=replace(service(name), version=version), name=name))


def test_expand_contract_checks_the_new_path_with_both_codes_for_the_window() -> None:
    found = decided(facts(service=service(matcher_variable="tempo_matcher")))

    assert (found.sequence, found.variables) == ("matcher-widening", {"tempo_matcher": "200,404"})


def test_expand_contract_needs_a_variable_for_the_matcher() -> None:
    reason = refused(facts(check=check(3, 2)))

    assert "matcher-widening needs a Terraform variable for the matcher" in reason


def test_where_only_what_is_not_permitted_is_safe_the_plan_s_key_is_named() -> None:
    reason = refused(facts(contract=contract(old=(200, 200)), check=check(2, 2)), allow=DOCUMENTED)

    assert "only check-first is safe" in reason
    assert "Add check-first to the plan's `strategies`" in reason
    assert "thresholds 2 healthy, 2 unhealthy" in reason


@pytest.mark.parametrize(("healthy", "unhealthy"), [(2, 3), (3, 2), (2, 2), (8, 2)])
def test_thresholds_without_a_margin_are_raised_for_the_window(healthy: int, unhealthy: int) -> None:
    tempo = service(unhealthy_threshold_variable="tempo_unhealthy")

    found = decided(facts(service=tempo, check=check(healthy, unhealthy)), allow=DOCUMENTED)

    assert found.variables == {"tempo_unhealthy": str(healthy + 2)}


def test_the_stack_s_own_thresholds_are_called_tight_where_nothing_can_raise_them() -> None:
    found = decided(facts(check=check(2, 3, 30)), allow=DOCUMENTED)

    assert found.ways["tempo"].caution == "thresholds 2 healthy, 3 unhealthy: tight, no check may be late"


@pytest.mark.parametrize(
    ("healthy", "unhealthy", "gap", "advice"),
    [
        (2, 2, "5 s", "unhealthy must be 4 or more"),
        (3, 2, "10 s", "5 or more"),
        (10, 2, "45 s", "AWS takes 10 at most"),
    ],
)
def test_a_gap_that_cannot_be_closed_is_refused_with_its_numbers(
    healthy: int, unhealthy: int, gap: str, advice: str
) -> None:
    reason = refused(facts(check=check(healthy, unhealthy)), allow=DOCUMENTED)

    assert f"may leave no healthy target for {gap}: thresholds {healthy} healthy, {unhealthy} unhealthy" in reason
    assert advice in reason


@pytest.mark.parametrize("healthy", [9, 10])
def test_a_threshold_is_never_raised_past_what_aws_takes(healthy: int) -> None:
    tempo = service(unhealthy_threshold_variable="tempo_unhealthy")

    assert "AWS takes 10 at most" in refused(facts(service=tempo, check=check(healthy, 9)), allow=DOCUMENTED)


@pytest.mark.parametrize(
    ("desired", "minimum", "maximum", "reason"),
    [
        (1, 100, 100, "can neither start a new task nor stop an old one"),
        (1, 100, 150, "can neither start a new task nor stop an old one"),
        (2, 0, 200, "minimum healthy percent is 0"),
        (4, 100, 150, "ECS may start only 2"),
        (4, 50, 100, "ECS may start only 2"),
    ],
)
def test_percentages_that_leave_no_room_are_refused(desired: int, minimum: int, maximum: int, reason: str) -> None:
    tight = facts(desired=desired, minimum_percent=minimum, maximum_percent=maximum)

    assert reason in refused(tight, allow=DOCUMENTED)


@pytest.mark.parametrize(("desired", "minimum", "maximum"), [(1, 100, 200), (2, 50, 150), (4, 50, 150), (3, 100, 200)])
def test_room_for_all_new_tasks_is_enough(desired: int, minimum: int, maximum: int) -> None:
    roomy = facts(desired=desired, minimum_percent=minimum, maximum_percent=maximum)

    assert decided(roomy, allow=DOCUMENTED).sequence == "grace-hold"


@pytest.mark.parametrize(
    ("ready", "grace", "window"),
    [
        (0.0, 0, 0),
        (9.9, 0, 0),
        (15.0, 0, HANDOVER_WINDOW + 15),
        (15.0, 29, HANDOVER_WINDOW + 15),
        (15.0, 30, 0),
    ],
)
def test_an_image_that_gets_ready_more_slowly_than_the_checks_allow_is_held(
    ready: float, grace: int, window: int
) -> None:
    slow = facts(contract=contract(new=(200, 200), ready=ready), grace_period=grace)

    found = decided(slow)

    assert (found.sequence, found.windows) == ("direct", {"tempo": window})


def test_where_no_path_moves_nothing_needs_to_be_permitted() -> None:
    same = facts(contract=contract(new=(200, 200), new_path=OLD, ready=20.0))

    found = decided(same, allow=("check-first",))

    assert (found.sequence, found.sequences) == ("none", {"tempo": "direct"})
    assert found.windows == {"tempo": HANDOVER_WINDOW + 20}


def test_what_runs_already_is_not_handed_over() -> None:
    runs = replace(contract(), skipped="this image runs already")

    found = decided(facts(contract=runs, check=check(3, 2)))

    assert (found.sequence, found.windows, found.sequences) == ("direct", {"tempo": 0}, {"tempo": "none"})


def test_an_image_that_is_not_to_be_tried_is_taken_to_answer_on_its_own_path_only() -> None:
    untried = replace(contract(), skipped="needs a licence server")
    tempo = replace(service(), rehearsal=Rehearsal(skip="needs a licence server"))

    found = decided(facts(contract=untried, service=tempo))

    assert found.sequence == "grace-hold"
    assert "was not tried (needs a licence server)" in found.ways["tempo"].because


def test_a_direct_service_and_a_held_one_share_one_flip_after_their_images() -> None:
    both = facts("loki", service=service("loki"), contract=contract(new=(200, 200)))

    found = decided(both, facts())

    assert found.sequence == "grace-hold"
    assert found.sequences == {"loki": "direct", "tempo": "grace-hold"}
    assert found.windows == {"loki": 0, "tempo": HANDOVER_WINDOW}


def test_a_service_takes_its_second_way_where_the_first_does_not_fit_the_other() -> None:
    flippable = facts(contract=contract(old=(200, 200)))
    held = facts("loki", service=service("loki"))

    assert decided(flippable, held).sequences == {"tempo": "grace-hold", "loki": "grace-hold"}


def test_a_service_whose_check_stays_fits_every_flip() -> None:
    stays = facts("loki", service=service("loki"), contract=contract(new=(200, 200), new_path=OLD))
    flippable = facts(contract=contract(old=(200, 200)))

    found = decided(stays, flippable)

    assert (found.sequence, found.sequences["loki"]) == ("check-first", "direct")


def test_services_that_need_opposite_orders_are_refused() -> None:
    direct = facts(
        "loki", service=service("loki"), contract=contract(new=(200, 200), old=(200, 503)), check=check(3, 2)
    )
    flip = facts(contract=contract(old=(200, 200)), check=check(3, 2))

    reason = refused(direct, flip)

    assert "loki only direct; tempo only check-first" in reason


def test_every_service_says_what_is_wrong_with_it() -> None:
    broken = contract(new=(404, 404))

    reason = refused(facts(contract=broken), facts("loki", service=service("loki"), contract=broken))

    assert "tempo: the new image" in reason
    assert "loki: the new image" in reason


def test_services_that_share_the_threshold_s_variable_get_what_the_larger_one_needs() -> None:
    shared = {"unhealthy_threshold_variable": "unhealthy"}
    services = (
        facts(service=service(**shared), check=check(4, 3)),
        facts("loki", service=service("loki", **shared), check=check(2, 3)),
    )

    assert decided(*services, allow=DOCUMENTED).variables == {"unhealthy": "6"}
