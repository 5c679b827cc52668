"""What the product calls safe, held against every state that the sequence can be in; and what people do instead.

Covered in every run: counts 1 and 2 with all thresholds from 2 to 10, count 3 with unhealthy thresholds up to 8, count
4 up to 6. With LGTM_DEPLOY_SWEEP=1 (minutes) all counts have all thresholds. In the coarse walks a new target that
fails may be marked unhealthy at any check, which is more than can happen; the exact ones count.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product
from math import ceil

import pytest

from lgtm_deploy.core.handover import Decision, Facts, decide
from lgtm_deploy.core.handover.checks import longest_gap
from tests.core.handover_facts import check, contract, facts, service
from tests.core.handover_model import SCRIPTS, Walk, World, reaches_darkness, walk

pytestmark = pytest.mark.long

SWEEP = os.environ.get("LGTM_DEPLOY_SWEEP", "") not in ("", "0")
COUNTS = (1, 2, 3, 4)
MOST = {3: 8, 4: 6}
THRESHOLDS = range(2, 11)
DOCUMENTED = ("direct", "grace-hold")
ANY = ("direct", "check-first", "matcher-widening", "grace-hold")
# New image on the old path, old image on the new path.
CELLS = tuple(product((200, 404), (200, 404, 503)))


def thresholds(count: int) -> Iterator[tuple[int, int]]:
    """Healthy and unhealthy ones; the raised threshold is to be within the bounds, too."""
    most = 10 if SWEEP else MOST.get(count, 10)
    for healthy, unhealthy in product(THRESHOLDS, THRESHOLDS):
        if unhealthy <= most and (healthy + 2 <= most or most == 10):
            yield healthy, unhealthy


def settings(count: int) -> Iterator[tuple[Facts, tuple[str, ...]]]:
    """Every setting, and what the plan permits."""
    cells_of = CELLS if count < 3 else tuple(each for each in CELLS if 503 not in each)
    percentages = ((100, 200), (50, 150)) if count == 2 else ((100, 200),)
    variables = ({}, {"unhealthy_threshold_variable": "unhealthy", "matcher_variable": "matcher"})
    for (healthy, unhealthy), cells, named, (minimum, maximum), allow in product(
        thresholds(count), cells_of, variables, percentages, (DOCUMENTED, ANY)
    ):
        given = facts(
            service=service(**named),
            contract=contract(new=(cells[0], 200), old=(200, cells[1])),
            check=check(healthy, unhealthy),
            desired=count,
            minimum_percent=minimum,
            maximum_percent=maximum,
        )
        yield given, allow


def world_of(given: Facts, decision: Decision, *, coarse: bool = True, loose: bool = True) -> World:
    way = decision.ways["tempo"]
    return World(
        script=SCRIPTS[way.sequence],
        desired=given.desired,
        healthy=given.check.healthy_threshold,
        unhealthy=way.unhealthy_threshold or given.check.unhealthy_threshold,
        minimum=given.minimum_percent,
        maximum=given.maximum_percent,
        new_passes_old=given.contract.new.on(given.contract.old_path).status == 200,
        # Where it does not matter the walk is the same one.
        old_passes_new=way.sequence == "check-first",
        held=decision.windows["tempo"] > 0,
        coarse=coarse,
        loose=loose,
    )


@cache
def walked(world: World) -> Walk:
    return walk(world)


@cache
def dark_somewhere(world: World) -> bool:
    return reaches_darkness(world)


@pytest.mark.timeout(1800 if SWEEP else 1200)
@pytest.mark.parametrize("count", COUNTS)
def test_what_is_called_safe_is_never_without_a_healthy_target_loses_no_task_and_can_always_end(count: int) -> None:
    safe: Counter[str] = Counter()
    for given, allow in settings(count):
        decision = decide([given], allow=allow)
        if isinstance(decision, Decision) and not decision.ways["tempo"].caution:
            found = walked(world_of(given, decision))
            assert (found.dark, found.failed, found.ends) == (None, None, True), (given, decision, found)
            safe[decision.sequence] += 1

    assert set(safe) == set(ANY)


@pytest.mark.parametrize("count", [1, 2])
def test_the_exact_walks_agree(count: int) -> None:
    for healthy in (2, 3, 5, 8) if count == 1 else (2, 3):
        given = facts(check=check(healthy, healthy + 2), desired=count)
        decision = decide([given], allow=DOCUMENTED)
        assert isinstance(decision, Decision)
        coarse, exact = walked(world_of(given, decision)), walked(world_of(given, decision, coarse=False))
        assert (exact.dark, exact.failed, exact.ends) == (None, None, True)
        assert exact.states > coarse.states


def test_tight_holds_only_as_long_as_no_check_is_late() -> None:
    for count, healthy in product((1, 2), range(2, 10)):
        given = facts(check=check(healthy, healthy + 1), desired=count)
        decision = decide([given], allow=DOCUMENTED)
        assert isinstance(decision, Decision)
        assert "tight" in decision.ways["tempo"].caution

        assert walked(world_of(given, decision, loose=False)).dark is None
        assert dark_somewhere(world_of(given, decision, loose=True))


def test_what_is_refused_for_its_thresholds_has_such_a_moment_even_when_no_check_is_late() -> None:
    refused = [pair for pair in product(THRESHOLDS, THRESHOLDS) if pair[1] <= pair[0]]
    for count, (healthy, unhealthy) in product((1, 2), refused):
        assert not isinstance(
            decide([facts(check=check(healthy, unhealthy), desired=count)], allow=DOCUMENTED), Decision
        )
        world = World(
            script=SCRIPTS["grace-hold"],
            desired=count,
            healthy=healthy,
            unhealthy=unhealthy,
            held=True,
            coarse=True,
            loose=False,
        )

        assert dark_somewhere(world)


def test_a_minimum_of_nothing_is_refused_because_ecs_may_stop_every_task() -> None:
    assert not isinstance(decide([facts(minimum_percent=0)], allow=ANY), Decision)

    for script in SCRIPTS.values():
        assert dark_somewhere(World(script=script, desired=2, healthy=2, unhealthy=10, minimum=0, held=True))


@pytest.mark.parametrize("order", ["check-first", "images-first"])
@pytest.mark.parametrize("count", COUNTS)
def test_the_orders_that_come_to_mind_first_leave_no_healthy_target(order: str, count: int) -> None:
    for healthy, unhealthy in product(THRESHOLDS, THRESHOLDS):
        world = World(script=SCRIPTS[order], desired=count, healthy=healthy, unhealthy=unhealthy, coarse=True)

        assert dark_somewhere(world), (healthy, unhealthy)


def test_without_the_hold_the_documented_order_never_gets_to_its_end() -> None:
    held = World(script=SCRIPTS["grace-hold"], desired=1, healthy=2, unhealthy=4, held=True)
    bare = World(script=("deploy", "answer", "complete", "flip"), desired=1, healthy=2, unhealthy=4)

    assert walked(held).ends
    assert not walked(bare).ends
    assert walked(bare).failed is not None
    assert walked(bare).dark is None


def test_an_image_that_is_not_held_is_ready_before_it_can_be_marked() -> None:
    seen: Counter[bool] = Counter()
    for unhealthy, intervals in product(THRESHOLDS, range(9)):
        given = facts(contract=contract(new=(200, 200), ready=intervals * 5.0), check=check(2, unhealthy))
        decision = decide([given], allow=DOCUMENTED)
        assert isinstance(decision, Decision)
        held = decision.windows["tempo"] > 0
        # While it gets ready it fails at most so many checks: one more where a check comes early.
        failing = ceil(given.ready_seconds / 5) + 1
        world = World(
            script=SCRIPTS["direct"],
            desired=1,
            healthy=2,
            unhealthy=unhealthy,
            new_passes_old=True,
            unready=failing,
        )

        found = walked(world)

        assert found.dark is None
        assert held or found.failed is None, (unhealthy, intervals)
        seen[held] += 1
        if intervals >= unhealthy:
            assert held
            assert found.failed is not None

    assert min(seen[True], seen[False]) > 10


@pytest.mark.parametrize(("healthy", "unhealthy"), list(product(range(2, 6), range(2, 8))))
def test_the_longest_gap_is_the_one_that_is_foretold(healthy: int, unhealthy: int) -> None:
    """Old targets begin to fail, and new ones that are marked begin to pass, at 0; phases in tenths of an interval."""
    given = check(healthy, unhealthy, 10)
    gaps = [(new + (healthy - 1) * 10) - (old + (unhealthy - 1) * 10) for old, new in product(range(10), range(10))]

    foretold = longest_gap(given)

    # Phases come as close to a whole interval as one likes, and a tenth of it is as close as they come here.
    assert foretold == (max(gaps) + 1 if healthy >= unhealthy else 0)
