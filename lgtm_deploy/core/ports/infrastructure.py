"""Infrastructure, by saved plans."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lgtm_deploy.core.ports.progress import Progress


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """One entry of a Terraform plan's `resource_changes`."""

    address: str
    type: str
    actions: tuple[str, ...]
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PlannedChanges:
    """A saved plan: where it is, the SHA-256 of its file, and what it would change (no-ops and reads left out).

    `document` is the whole of it as `terraform show -json` has it, empty when nothing changes. It holds secrets in the
    clear: it is for the guard alone, never told and never written down.
    """

    file: Path
    sha256: str
    changes: tuple[ResourceChange, ...]
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


class Infrastructure(Protocol):
    """Changes infrastructure by saved plans only. `root` is the root module's folder."""

    def init(
        self, root: Path, backend_config: Sequence[str], progress: Progress, *, copy_of: Path | None = None
    ) -> None:
        """Prepares the root: providers and backend. Raises PermanentError with Terraform's own first error.

        An entry of `backend_config` is a file, or a setting as `key=value`.
        `copy_of` is the root whose earlier revision this is, in a folder that will be removed with all that is in it:
        a state beside that root is then this one's, too.
        """

    def sources(self, root: Path) -> Sequence[Path]:
        """The folders that the root is made of: itself and its local modules, once it is prepared."""

    def attributes(self, root: Path) -> Mapping[str, Mapping[str, Any]]:
        """What the state has of each managed resource, by address. It holds secrets in the clear: never told, never
        written down. Raises PermanentError."""

    def plan(
        self,
        root: Path,
        var_files: Sequence[Path],
        variables: Mapping[str, str],
        out: Path,
        progress: Progress,
        *,
        targets: Sequence[str] = (),
    ) -> PlannedChanges:
        """Saves a plan into `out`. Changes nothing outside.

        `targets` are the addresses of resources: only these are planned, with what they depend on; none: all are.
        """

    def shown(self, root: Path, plan: PlannedChanges) -> Mapping[str, Any]:
        """Return the document of a saved plan. Raises PermanentError when the file is gone or was changed."""

    def alone(self, root: Path, progress: Progress) -> AbstractContextManager[None]:
        """Keep other threads of this process out of the root: a plan is stale once another one was applied."""

    def is_current(self, root: Path, plan: PlannedChanges) -> bool:
        """Whether the state is still the one that this saved plan was made from: one that is not cannot be applied.
        Raises PermanentError when the file is gone or was changed."""

    def apply(self, root: Path, plan: PlannedChanges, progress: Progress) -> None:
        """Applies exactly that saved plan. Raises PermanentError when it is stale or its file was changed,
        InDoubtError when Terraform was stopped or died on the way."""
