"""The night that the change failed, again: each of its eight causes is met before anything outside is changed.

Refused with the cause in one line, or, where a safe way exists, brought home by it. Refused cases leave the sandbox as
it is, so they share one state of today.
"""

import time
from collections.abc import Callable

import pytest

from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.connection import Connection
from tests.conftest import Machine
from tests.e2e.conftest import Checkout
from tests.e2e.facts import fewest_healthy, first, killed_by_checks
from tests.e2e.night import cases
from tests.e2e.night.cases import Case
from tests.e2e.night.seen import ROW, Seen, as_properties, look, meet
from tests.e2e.night.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

# Seconds from the first question until a real Pyroscope 2.0.4 is ready: longer than four checks, 5 s apart.
SLOW_START = 47

Keep = Callable[[Seen], Seen]


@pytest.fixture
def keep(record_property: Callable[[str, object], None]) -> Keep:
    """Keeps a row for the table at the end."""

    def kept(seen: Seen) -> Seen:
        record_property(ROW, as_properties(seen))
        return seen

    return kept


@pytest.fixture(scope="module")
def world(today: Checkout, machine: Machine, example: Stack) -> World:
    """The sandbox as it runs today, with the base images of that night at hand."""
    world = World(example, today.connection)
    world.pull(machine.home)
    return world


def assert_refused(seen: Seen, case: Case) -> None:
    assert seen.exit_code == 2, seen
    assert seen.verdict == "refused"
    assert "Traceback" not in seen.reason
    assert len(seen.reason.splitlines()) == 1, seen.reason
    missing = [name for name in case.names if name not in seen.reason]
    assert missing == [], seen.reason
    assert seen.mutating == 0


def test_n1_a_plan_that_moves_the_health_check_before_the_new_images_run_is_refused(
    world: World, checkout: Checkout, keep: Keep
) -> None:
    case = cases.FLIP_FIRST
    assert_refused(keep(meet(case, checkout)), case)
    assert_refused(look(case, checkout, verb="validate"), case)


@pytest.mark.parametrize("case", cases.TEMPO_PATH_PREFIX, ids=lambda case: case.change.split()[1])
def test_n2_a_tempo_that_cannot_read_under_a_path_prefix_is_refused_with_the_setting_that_works(
    world: World, checkout: Checkout, keep: Keep, case: Case
) -> None:
    assert_refused(keep(meet(case, checkout)), case)


def test_n3_a_mimir_that_exits_at_start_is_refused_with_its_exit_code_and_last_words(
    world: World, checkout: Checkout, keep: Keep
) -> None:
    assert_refused(keep(meet(cases.RUNTIME_CONFIG, checkout)), cases.RUNTIME_CONFIG)


@pytest.mark.parametrize("case", [cases.STORAGE_PREFIX, cases.STORAGE_S3_PREFIX], ids=["storage", "storage.s3"])
def test_n4_a_pyroscope_that_does_not_know_a_setting_is_refused_with_the_setting(
    world: World, checkout: Checkout, keep: Keep, case: Case
) -> None:
    assert_refused(keep(meet(case, checkout)), case)


def test_n7_a_base_image_that_nobody_ever_made_is_refused_by_name(world: World, checkout: Checkout, keep: Keep) -> None:
    assert_refused(keep(meet(cases.ONE_VARIABLE, checkout)), cases.ONE_VARIABLE)


def test_n8_a_pyroscope_that_is_ready_and_answers_nobody_is_refused(
    world: World, checkout: Checkout, keep: Keep
) -> None:
    assert_refused(keep(meet(cases.FALSE_GREEN, checkout)), cases.FALSE_GREEN)


def test_n8_listener_rules_that_lead_to_paths_that_move_are_refused(
    world: World, checkout: Checkout, keep: Keep
) -> None:
    with world.rules("pyroscope", cases.BARE_PATHS):
        assert_refused(keep(meet(cases.BARE_RULES, checkout)), cases.BARE_RULES)


@pytest.fixture(scope="module")
def strained(world: World, today: Checkout) -> Checkout:
    """Tempo's task definition pins a tag; Pyroscope takes as long to start as the real one, without a grace period."""
    world.pin("tempo", cases.OLD_TAG)
    world.slow_start("pyroscope")
    world.settle()
    world.set_grace_period("pyroscope", 0)
    return today


@pytest.mark.acceptance
def test_n6_a_tag_that_the_task_definition_does_not_name_is_refused_with_both_tags(
    strained: Checkout, new_checkout: Callable[[], Checkout], keep: Keep
) -> None:
    assert_refused(keep(meet(cases.PINNED_TAG, new_checkout())), cases.PINNED_TAG)


class Release:
    """The change, made on a sandbox, and what the sandbox has recorded of it."""

    def __init__(self, case: Case, checkout: Checkout) -> None:
        self.checkout = checkout
        self.began = time.time()
        self.seen = look(case, checkout)
        self.ended = time.time()

    def assert_safe(self) -> None:
        """It ran to its end, every target group always had a healthy target, and no check killed a task."""
        assert (self.seen.exit_code, self.seen.verdict) == (0, "deployed"), self.seen
        fewest = fewest_healthy(self.checkout.records(), self.began, self.ended)
        assert min(fewest.values()) >= 1, fewest
        assert killed_by_checks(self.checkout.records(self.began)) == []

    def flipped_at(self) -> float:
        return min(float(each["at"]) for each in self.checkout.requests(self.began, "ModifyTargetGroup"))


@pytest.fixture(scope="module")
def strained_release(strained: Checkout) -> Release:
    return Release(cases.SLOW_START, strained)


@pytest.mark.acceptance
def test_n5_tasks_that_start_slowly_without_a_grace_period_are_held_until_they_are_ready(
    strained_release: Release, world: World, keep: Keep
) -> None:
    keep(strained_release.seen)
    strained_release.assert_safe()
    records = strained_release.checkout.records(strained_release.began)
    running = first(records, "task", service="lgtm-sandbox-pyroscope", to="RUNNING")["at"]
    assert strained_release.flipped_at() - running >= SLOW_START
    assert world.grace_period("pyroscope") == 0


@pytest.mark.acceptance
def test_n6_without_a_pinned_tag_the_digest_that_was_pushed_is_what_runs(
    strained_release: Release, world: World
) -> None:
    pushed = {
        each["identifiers"]["repository"]: each["identifiers"]["reference"]
        for each in strained_release.checkout.requests(strained_release.began, "RegistryPutManifest")
    }
    digest = world.digest("tempo", pushed["lgtm-tempo"])
    assert world.image("tempo").endswith(f"lgtm-tempo@{digest}")
    assert digest.startswith(strained_release.checkout.status()["tempo"]["digest"])


@pytest.fixture(scope="module")
def documented_release(
    strained_release: Release, sandbox: Connection, example: Stack, new_checkout: Callable[[], Checkout]
) -> Release:
    """After all others: it needs the sandbox as it runs today."""
    from lgtm_deploy.sandbox.lifecycle import reset

    reset(example, sandbox.name, lambda _text: None)
    return Release(cases.IMAGES_FIRST, new_checkout())


@pytest.mark.acceptance
def test_n1_images_first_never_leaves_a_target_group_without_a_healthy_target(
    documented_release: Release, keep: Keep
) -> None:
    keep(documented_release.seen)
    documented_release.assert_safe()
    records = documented_release.checkout.records(documented_release.began)
    for service in ("tempo", "pyroscope"):
        assert (
            first(records, "task", service=f"lgtm-sandbox-{service}", to="RUNNING")["at"]
            < documented_release.flipped_at()
        )
