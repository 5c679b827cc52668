"""The state of a Terraform root that a rollback returns to, found before the root is applied."""

from dataclasses import dataclass
from typing import Literal

StartKind = Literal["", "variables", "revision", "files", "none"]


@dataclass(frozen=True, kw_only=True)
class StartState:
    """How a root comes back: by the `variables` that the stack declares, by a Git `revision` (its `commit`), or by the
    `files` that were applied at the time `at` (their `digest`).

    `none`: no way leads back, `why_not` says why, and `way_out` what to do. An empty kind: the root was not asked,
    nothing of it changes.
    """

    kind: StartKind = ""
    commit: str = ""
    digest: str = ""
    at: str = ""
    why_not: str = ""
    way_out: str = "Commit the files that were applied last"

    def line(self, root: str) -> str:
        """Return the line of the preview; empty when there is nothing to say."""
        ways = {
            "variables": "by variables",
            "revision": f"by revision {self.commit[:8]}",
            "files": f"by the files applied on {self.at[:16].replace('T', ' ')} UTC",
            "none": f"impossible: {self.why_not}",
        }
        return f"rollback of Terraform root '{root}': {ways[self.kind]}" if self.kind else ""

    def impossible(self, root: str) -> str:
        """Return why the root cannot come back, and the ways out; empty when it can."""
        if self.kind != "none":
            return ""
        return (
            f"Terraform root '{root}' could not be rolled back: {self.why_not}. {self.way_out}, or pass --no-rollback"
        )
