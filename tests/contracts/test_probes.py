"""What probes, callers and clocks promise."""

import pytest

from lgtm_deploy.adapters.clock import SystemClock
from lgtm_deploy.core.errors import TransientError
from lgtm_deploy.core.ports import Clock, HttpRequest, HttpResponse
from lgtm_deploy.fakes import FakeClock
from tests.contracts.world import ACCOUNT, GOOD, PORT, World


def test_a_task_answers_directly(world: World) -> None:
    [task] = world.rollouts.tasks(world.serve().name)

    answer = world.task_probe.ask(task.address, PORT, "/x")

    assert (answer.status, answer.body[: len(GOOD)]) == (200, GOOD)
    assert answer.seconds > 0
    assert world.task_probe.reaches(task.address, PORT)


def test_a_port_where_nobody_is_does_not_answer(world: World) -> None:
    [task] = world.rollouts.tasks(world.serve().name)

    with pytest.raises(TransientError, match="does not answer"):
        world.task_probe.ask(task.address, PORT + 1, "/x")


def test_the_stack_answers_through_the_balancer(world: World) -> None:
    served = world.serve()
    answer = world.stack_probe.ask(served.path, tenant="contracts")

    assert (answer.status, answer.body[: len(GOOD)]) == (200, GOOD)


def test_any_request_gets_an_answer_with_who_gave_it(world: World) -> None:
    served = world.serve()

    heard = world.web.ask(HttpRequest(url=world.url + served.path, headers={"X-Scope-OrgID": "contracts"}))

    assert isinstance(heard, HttpResponse)
    assert (heard.status, heard.body[: len(GOOD)], heard.url) == (200, GOOD, world.url + served.path)
    assert heard.seconds > 0
    assert heard.whole


def test_a_path_that_nobody_has_is_an_answer_too(world: World) -> None:
    world.serve()

    heard = world.web.ask(HttpRequest(url=f"{world.url}/nobody-has-this", method="POST", body=b"{}"))

    assert isinstance(heard, HttpResponse)
    assert heard.status >= 400


def test_the_caller_has_an_account(world: World) -> None:
    assert world.caller.account() == ACCOUNT


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()])
def test_a_clock_knows_its_zone_and_never_goes_back(clock: Clock) -> None:
    first = clock.monotonic()

    assert clock.now().utcoffset() is not None
    assert clock.monotonic() >= first
