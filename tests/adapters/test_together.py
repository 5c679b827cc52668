"""Ten waits cost no more calls than one."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lgtm_deploy.adapters.ecs import EcsRollouts
from lgtm_deploy.adapters.ecs.together import Together
from lgtm_deploy.core.errors import TransientError

NAMES = [f"s{number}" for number in range(10)]


class Cluster:
    """ECS with one task a service, which counts what it is asked; stands for `Aws` and for its client."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.calls: Counter[str] = Counter()

    def reader(self, _service: str) -> "Cluster":
        return self

    def list_tasks(self, *, desiredStatus: str, serviceName: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        self.calls["ListTasks"] += 1
        names = [serviceName] if serviceName else list(self.names)
        return {"taskArns": [f"task/{name}" for name in names if desiredStatus == "RUNNING"]}

    def describe_tasks(self, *, tasks: Sequence[str], **_: Any) -> dict[str, Any]:
        self.calls["DescribeTasks"] += 1
        found = [
            {"taskArn": arn, "taskDefinitionArn": "arn:td", "group": f"service:{arn.removeprefix('task/')}"}
            for arn in tasks
        ]
        return {"tasks": found}

    def describe_service_deployments(self, *, serviceDeploymentArns: Sequence[str]) -> dict[str, Any]:  # noqa: N803
        self.calls["DescribeServiceDeployments"] += 1
        found = [{"serviceDeploymentArn": arn, "status": "IN_PROGRESS"} for arn in serviceDeploymentArns]
        return {"serviceDeployments": found}


class NoLogs:
    def last_lines(self, group: str, stream: str, limit: int) -> Sequence[str]:
        raise AssertionError((group, stream, limit))


def at_once(ask: Callable[[str], Any], names: Sequence[str], came: threading.Barrier) -> list[Any]:
    """What threads get that ask at the same moment; all begin when the last is at `came`."""

    def one(name: str) -> Any:
        came.wait(10)
        return ask(name)

    with ThreadPoolExecutor(len(names)) as threads:
        return list(threads.map(one, names))


class Gathering:
    """Whoever gathers waits until so many have asked for something, however slow the machine is."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.asked: list[Together[Any]] = []

    def __call__(self, _seconds: float) -> None:
        deadline = time.monotonic() + 20
        while self.asked and time.monotonic() < deadline:
            if any(len(each._gathered) >= self._count for each in self.asked):
                return
            time.sleep(0.01)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("count", [2, 10])
def test_looks_at_many_rollouts_at_the_same_moment_cost_as_many_calls_as_at_two(count: int) -> None:
    cluster = Cluster(*NAMES[:count], "somebody-elses")
    gathering = Gathering(count)
    rollouts = EcsRollouts(cluster, cluster="lgtm", logs=NoLogs(), pause=gathering)  # type: ignore[arg-type]
    gathering.asked += [rollouts._tasks, rollouts._deployments]

    tasks = at_once(rollouts.tasks, NAMES[:count], threading.Barrier(count))
    deployments = at_once(rollouts.deployment, NAMES[:count], threading.Barrier(count))

    assert [[task.arn for task in each] for each in tasks] == [[f"task/{name}"] for name in NAMES[:count]]
    assert [each.arn for each in deployments] == NAMES[:count]
    assert cluster.calls == {"ListTasks": 2, "DescribeTasks": 1, "DescribeServiceDeployments": 1}


def test_one_service_alone_is_not_looked_for_among_all_tasks_of_the_cluster() -> None:
    cluster = Cluster(*NAMES)
    rollouts = EcsRollouts(cluster, cluster="lgtm", logs=NoLogs(), pause=lambda _: None)  # type: ignore[arg-type]

    assert [task.arn for task in rollouts.tasks("s3")] == ["task/s3"]


@pytest.mark.timeout(120)
def test_a_call_holds_no_more_names_than_it_may() -> None:
    asked: list[int] = []

    def ask(names: Sequence[str]) -> dict[str, str]:
        asked.append(len(names))
        return {name: name.upper() for name in names}

    gathering = Gathering(len(NAMES))
    together = Together(ask, limit=4, pause=gathering)
    gathering.asked.append(together)

    assert at_once(together.one, NAMES, threading.Barrier(10)) == [name.upper() for name in NAMES]
    assert sorted(asked) == [2, 4, 4]


@pytest.mark.timeout(120)
def test_an_error_of_the_call_is_everybodys_and_the_next_call_is_made_anew() -> None:
    broken = [True]

    def ask(names: Sequence[str]) -> dict[str, str]:
        if broken:
            raise TransientError("Slow down.")
        return dict.fromkeys(names, "fine")

    gathering = Gathering(len(NAMES))
    together = Together(ask, limit=10, pause=gathering)
    gathering.asked.append(together)

    def asked(name: str) -> str | None:
        with pytest.raises(TransientError, match=r"Slow down\."):
            together.one(name)
        return name

    assert at_once(asked, NAMES, threading.Barrier(10)) == NAMES
    broken.clear()
    gathering.asked.clear()
    assert together.one("s0") == "fine"
    assert together.one("nobody") == "fine"


def test_no_answer_is_kept() -> None:
    answers = iter(["earlier", "later"])
    together = Together(lambda names: dict.fromkeys(names, next(answers)), limit=10, pause=lambda _: None)

    assert [together.one("s0"), together.one("s0")] == ["earlier", "later"]


def test_what_there_is_not_is_none() -> None:
    together: Together[str] = Together(lambda _names: {}, limit=10, pause=lambda _: None)

    assert together.one("s0") is None
