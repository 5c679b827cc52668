"""How long a sandbox that comes up is waited for, and what is told of a service that cannot."""

from pathlib import Path

import pytest

from lgtm_deploy.core.stack import Environment, Health, Stack
from lgtm_deploy.fakes import Contract, FakeClock, FakeCloud, fake_ports, lay
from lgtm_deploy.sandbox.progress_limit import ProgressLimit
from lgtm_deploy.sandbox.settled import Stage, Standing, signs_of
from lgtm_deploy.sandbox.start_failure import StartFailures
from tests.stacks import make_service

TEMPO = make_service(
    name="tempo",
    context="dockerfiles/tempo",
    repository="lgtm-tempo",
    ecs_service="lgtm-sandbox-tempo",
    container="tempo",
    port=3200,
    target_group="tempo-tg",
    health=Health(path="/ready", body="ready"),
)
CAUSE = 'level=error msg="error running Tempo" err="field ingestor not found in type app.Config"'


class Wait:
    """A wait for two services, on a clock that stands still."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.limit = ProgressLimit(300, longest=3600, monotonic=self.clock.monotonic)

    def goes_on_after(self, seconds: float, stage: Stage, *signs: str) -> bool:
        self.clock.advance(seconds)
        tempo = Standing(stage=stage, signs=signs)
        self.limit.observe(signs_of({"tempo": tempo, "loki": Standing(stage=Stage.RUNNING)}))
        return not self.limit.has_passed


def test_services_that_come_further_are_waited_for_however_long_it_takes() -> None:
    wait = Wait()
    assert all(wait.goes_on_after(299, stage) for stage in Stage)


def test_what_aws_says_of_tasks_and_targets_is_progress_within_a_stage() -> None:
    wait = Wait()
    signs = ["1 pending, 0 running", "0 pending, 1 running", "initial 1", "codes: [503]", "codes: [404]"]
    assert all(wait.goes_on_after(299, Stage.STARTING, sign) for sign in signs)


def test_services_that_come_no_further_are_given_up() -> None:
    wait = Wait()
    assert wait.goes_on_after(0, Stage.RUNNING, "codes: [503]")
    assert wait.goes_on_after(300, Stage.RUNNING, "codes: [503]")
    assert not wait.goes_on_after(1, Stage.RUNNING, "codes: [503]")


def test_a_service_that_starts_again_and_again_comes_no_further() -> None:
    wait = Wait()
    found = [wait.goes_on_after(40, Stage(1 + each % 2), f"{each % 2} running") for each in range(10)]
    assert found == [True] * 9 + [False]


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    environment = Environment(name="sandbox", region="eu-west-1", account="123456789012", cluster="lgtm")
    return Stack(name="lgtm", directory=tmp_path, services={"tempo": TEMPO}, environment=environment)


@pytest.fixture
def cloud(stack: Stack) -> FakeCloud:
    return lay(stack)


@pytest.fixture
def failures(stack: Stack, cloud: FakeCloud, tmp_path: Path) -> StartFailures:
    return StartFailures(stack, fake_ports(stack, cloud, tmp_path / "run"), tmp_path / "logs")


def deploy(cloud: FakeCloud, contract: Contract) -> None:
    cloud.put_image(TEMPO.repository, "new", contract)
    service = cloud.services[TEMPO.ecs_service]
    image = f"{cloud.address_of(TEMPO.repository)}:new"
    cloud.deploy(service, cloud.register(service, {TEMPO.container: image}))


def test_a_container_that_exits_again_and_again_is_explained_at_once_with_its_log(
    cloud: FakeCloud, failures: StartFailures, tmp_path: Path
) -> None:
    deploy(cloud, Contract(exit_code=1, log=("starting", CAUSE)))
    for _ in range(3):
        # It starts, ends, and is started again, each a second later.
        cloud.advance(1)

    why = failures.of("tempo", is_final=False)

    log = tmp_path / "logs" / "tempo.log"
    assert why.startswith("tempo: container tempo exited with code 1")
    assert CAUSE in why
    assert why.endswith(f". Its log: {log}")
    assert log.read_text() == f"starting\n{CAUSE}\n"


def test_a_service_that_takes_its_time_is_not_explained_before_it_is_given_up(
    cloud: FakeCloud, failures: StartFailures, tmp_path: Path
) -> None:
    deploy(cloud, Contract(ready_seconds=60, log=("waiting for 15s after being ready",)))
    cloud.advance(2)

    assert failures.of("tempo", is_final=False) == ""
    assert failures.of("tempo", is_final=True) == (
        f"tempo is not up: its task runs and is not healthy. Its log: {tmp_path / 'logs' / 'tempo.log'}"
    )
    assert (tmp_path / "logs" / "tempo.log").read_text() == "waiting for 15s after being ready\n"


def test_the_first_end_of_a_task_is_told_at_once_and_once(
    cloud: FakeCloud, failures: StartFailures, tmp_path: Path
) -> None:
    deploy(cloud, Contract(exit_code=1, log=("starting", CAUSE)))
    assert failures.first_end("tempo") == ""
    for _ in range(2):
        # It starts, and ends a second later.
        cloud.advance(1)

    told = failures.first_end("tempo")

    assert told.startswith("tempo: container tempo exited with code 1")
    assert CAUSE in told
    assert told.endswith(f". Its log: {tmp_path / 'logs' / 'tempo.log'}")
    assert failures.of("tempo", is_final=False) == ""
    assert failures.first_end("tempo") == ""


def test_a_slow_task_that_its_load_balancer_stopped_is_given_another_chance(
    cloud: FakeCloud, failures: StartFailures
) -> None:
    deploy(cloud, Contract(answers={"/ready": "ready"}, ready_seconds=100_000))
    cloud.advance(240)
    service = cloud.services[TEMPO.ecs_service]
    assert sum("health checks" in task.reason for task in service.tasks) >= 2

    assert failures.of("tempo", is_final=False) == ""
    assert "health checks" in failures.of("tempo", is_final=True)
