"""What a plan would change, before anything is changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class PreviewLine:
    """One step that would change something: `change` in one line, `details` below it; the `phase` is its heading."""

    step: str
    change: str
    details: tuple[str, ...] = ()
    phase: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a step has found out beforehand, in lines for the person who decides: outputs named `told`."""

    step: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a plan would do in an environment. `unchanged` are the steps with nothing to do; `findings` what the steps
    that only look have to say."""

    plan: str
    environment: str
    heading: str = ""
    """What would change it all, where that is not the plan."""
    lines: tuple[PreviewLine, ...] = ()
    unchanged: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    """What the undoing of a run would leave as is, a line each."""
    findings: tuple[Finding, ...] = ()
    base_images: Mapping[str, str] | None = None
    """The origin of each service's base image in a sandbox; None elsewhere."""

    @property
    def changes(self) -> bool:
        """Whether anything would change."""
        return bool(self.lines)
