"""What a change does to a service's routes: which move under the prefix, which stay, which are answered no longer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lgtm_deploy.core.stack import Service

# follows: it is there only once the change is out. base: what stands above routes that move.
Fate = Literal["moves", "base", "drops", "stays", "follows", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Routes:
    """The declared paths of a service and the prefix that they get."""

    prefix: str
    moves: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    # The health check's path once the change is out.
    health: str = ""

    @classmethod
    def of(cls, service: Service) -> "Routes":
        """As the stack file declares them."""
        paths = service.paths
        return cls(
            prefix=service.prefix.rstrip("/"),
            moves=paths.moves,
            keeps=paths.keeps,
            drops=paths.drops,
            health=service.health.path,
        )

    @property
    def changed(self) -> bool:
        """Whether the change touches any route."""
        return bool((self.prefix and self.moves) or self.drops)

    @property
    def before(self) -> tuple[str, ...]:
        """What is answered today."""
        return (*self.moves, *self.keeps, *self.drops)

    @property
    def after(self) -> tuple[str, ...]:
        """What is answered once the change is out."""
        return (*(self.moved(path) for path in self.moves), *self.keeps)

    def moved(self, path: str) -> str:
        """Where a path is found after the change."""
        return self.prefix + path if path != "/" else self.prefix

    def fate(self, path: str) -> Fate:
        """What becomes of a path that somebody names.

        A path that no declared route is equal to, below or above, is unknown: it may never have been there.
        """
        bare = path.partition("?")[0].partition("#")[0].rstrip("/")
        if _below(bare, self.drops):
            return "drops"
        if _below(bare, self.keeps):
            return "stays"
        if self.prefix and (bare == self.prefix or bare.startswith(f"{self.prefix}/")):
            return "follows"
        if _below(bare, self.moves):
            return "moves"
        if any(route.startswith(f"{bare}/") for route in self.moves):
            return "base"
        # Under the prefix it follows: see above.
        return "stays" if bare and bare == self.health else "unknown"


def _below(path: str, routes: Sequence[str]) -> bool:
    return any(path == route or path.startswith(f"{route}/") for route in routes if route != "/")
