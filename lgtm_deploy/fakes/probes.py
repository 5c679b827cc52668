"""Requests to tasks and to the stack that never leave the process, and who makes them."""

from collections.abc import Mapping, Sequence

from lgtm_deploy.core.errors import TimedOutError, TransientError
from lgtm_deploy.core.ports import Answer, Permission
from lgtm_deploy.fakes.cloud import FakeCloud
from lgtm_deploy.fakes.image import HANG_SECONDS, NOT_FOUND, UNAVAILABLE
from lgtm_deploy.fakes.rollout import FakeService, FakeTask

SECONDS = 0.001


class FakeTaskProbe:
    """Asks the cloud's tasks."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def ask(self, address: str, port: int, path: str) -> Answer:
        """What the task's image answers. Raises TransientError when nothing does."""

        def look() -> Answer:
            task = self._cloud.task_at(address, port) if self._cloud.reachable else None
            got = task.ask(path, self._cloud.clock.monotonic()) if task else None
            if got is None or not got[0]:
                raise TransientError(f"http://{address}:{port}{path} does not answer.")
            return Answer(status=got[0], body=got[1], seconds=SECONDS)

        return self._cloud.perform("task_probe.ask", look, address=address, port=port, path=path)

    def reaches(self, address: str, port: int) -> bool:
        """Whether the cloud's tasks are said to be reachable."""
        return self._cloud.perform("task_probe.reaches", lambda: self._cloud.reachable, address=address, port=port)


class FakeStackProbe:
    """Asks the cloud's services through their target groups, by the cloud's `rules`."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def ask(self, path: str, *, method: str = "GET", send: str = "", **_: str) -> Answer:
        """What a healthy target answers; any target when none is healthy (AWS: ELB user guide, fail-open)."""

        def look() -> Answer:
            matching = [prefix for prefix in self._cloud.rules if path.startswith(prefix)]
            if not matching:
                return Answer(status=NOT_FOUND, body="no rule", seconds=SECONDS)
            tasks = _targets(self._cloud.services[self._cloud.rules[max(matching, key=len)]])
            got = tasks[0].ask(path, self._cloud.clock.monotonic(), method) if tasks else None
            status, body = got or (UNAVAILABLE, "")
            if not status:
                raise TimedOutError(f"{path} does not answer.", seconds=HANG_SECONDS)
            return Answer(status=status, body=body, seconds=SECONDS)

        return self._cloud.perform("stack_probe.ask", look, path=path, method=method, send=send)


class FakeCaller:
    """Somebody of the cloud's account."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def account(self) -> str:
        """The cloud's account id."""
        return self._cloud.perform("caller.account", lambda: self._cloud.account)

    def may(self, wanted: Sequence[Permission]) -> Mapping[Permission, bool] | None:
        """All but what the cloud denies; None when the caller may not ask."""

        def look() -> Mapping[Permission, bool] | None:
            if not self._cloud.may_ask:
                return None
            return {each: each.action not in self._cloud.denied for each in wanted}

        return self._cloud.perform("caller.may", look, wanted=tuple(wanted))


def _targets(service: FakeService) -> list[FakeTask]:
    return service.healthy or [task for task in service.tasks if task.status == "running"]
