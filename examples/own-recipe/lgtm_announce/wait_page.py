"""wait-page: a page answers with a word."""

from dataclasses import dataclass

from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.ports import HttpRequest, HttpResponse
from lgtm_deploy.core.step import Look


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`token` is sent as the request's authorization; `word` must be in the answer."""

    url: str
    word: str
    token: str


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The answer's status (0: none) and body."""

    status: int
    body: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page that answered."""

    url: str


class WaitPage(Look[Inputs, Observation, Page]):
    """Changes nothing; the engine asks again until the timeout of the step."""

    takes = Inputs
    gives = Page

    def look(self, inputs: Inputs) -> Observation:
        """Ask once."""
        answer = self.ports.web.ask(HttpRequest(url=inputs.url, headers={"Authorization": f"Bearer {inputs.token}"}))
        if not isinstance(answer, HttpResponse):
            return Observation(status=0, body="")
        return Observation(status=answer.status, body=answer.body)

    def judge(self, inputs: Inputs, seen: Observation) -> Gate[Page]:
        """Open when the word is there. Pure."""
        if inputs.word in seen.body:
            return Open(outputs=Page(url=inputs.url))
        return Waiting(reason=f"{inputs.url} answers {seen.status or 'nothing'} without '{inputs.word}'")
