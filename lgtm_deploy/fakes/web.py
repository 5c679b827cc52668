"""HTTP requests that never leave the process."""

from collections.abc import Callable
from urllib.parse import urlsplit

from lgtm_deploy.core.ports import HttpRequest, HttpResponse, HttpResult
from lgtm_deploy.fakes.cloud import FakeCloud
from lgtm_deploy.fakes.image import NOT_FOUND, UNAVAILABLE

SECONDS = 0.001
Script = Callable[[HttpRequest], HttpResult] | HttpResult


class FakeWeb:
    """Answers what the cloud's `web` says for a path, else what the service that its `rules` lead to answers."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def ask(self, question: HttpRequest) -> HttpResult:
        """Never raises."""

        def look() -> HttpResult:
            path = urlsplit(question.url).path
            scripted: Script | None = self._cloud.web.get(path)
            if scripted is not None:
                return scripted(question) if callable(scripted) else scripted
            status, body = self._answered(path)
            return HttpResponse(status=status, body=body, seconds=SECONDS, url=question.url)

        return self._cloud.perform("web.ask", look, url=question.url, method=question.method)

    def _answered(self, path: str) -> tuple[int, str]:
        matching = [prefix for prefix in self._cloud.rules if path.startswith(prefix)]
        if not matching:
            return NOT_FOUND, "no rule"
        service = self._cloud.services[self._cloud.rules[max(matching, key=len)]]
        tasks = service.healthy or [task for task in service.tasks if task.status == "running"]
        return (tasks[0].ask(path, self._cloud.clock.monotonic()) if tasks else None) or (UNAVAILABLE, "")
