"""The recipe `release-and-page`: the bundled release, and a page of the team's after it."""

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from lgtm_announce.wait_page import Inputs, WaitPage
from lgtm_deploy.core.graph import Graph, Phase
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.recipes.release import Release


class ReleaseAndPage(Release):
    """Its options are those of `release`, and the page."""

    about: ClassVar[str] = "Release services and wait until a page of the team's names the release."
    page: Annotated[
        str, Field(description="The URL of the page.", pattern=r"^https?://", examples=["https://status.example.com"])
    ]

    def build(self, graph: Graph, stack: Stack | None) -> Iterable[object]:
        """Add the steps of `release`, then the page. `ticket` and `token` are variables of the plan file."""
        released = super().build(graph, stack)
        page = graph.add(
            "wait-page",
            WaitPage,
            Inputs(url=self.page, word=graph.variable("ticket"), token=graph.variable("token")),
            title="wait until the page names the release",
            phase=Phase.VERIFY,
            after=released,
            timeout=300,
        )
        return [page]
