"""The graphs that every engine is given: a step's name, those before it, and how long it sleeps in seconds."""

import json
import random
from collections.abc import Iterable
from pathlib import Path

Step = tuple[str, tuple[str, ...], float]

# The sleeps that come after one another in `sleeps`, in seconds.
CRITICAL_PATH = 2.0


def wide(steps: int) -> list[Step]:
    """Half of them need nothing; each of the others needs two of these."""
    half = steps // 2
    roots: list[Step] = [(_name(each), (), 0.0) for each in range(half)]
    return roots + [(_name(half + each), (_name(each), _name((each + 1) % half)), 0.0) for each in range(half)]


def chain(steps: int) -> list[Step]:
    """Each needs the one before it."""
    return [(_name(each), (_name(each - 1),) if each else (), 0.0) for each in range(steps)]


def layered(steps: int, *, width: int = 100, seed: int = 42) -> list[Step]:
    """Layers of that width; each step needs one to three of the layer before, by chance."""
    chance = random.Random(seed)
    found: list[Step] = []
    for each in range(steps):
        above = (each // width - 1) * width
        needs = chance.sample(range(above, above + width), chance.randint(1, 3)) if above >= 0 else []
        found.append((_name(each), tuple(_name(need) for need in sorted(needs)), 0.0))
    return found


def sleeps() -> list[Step]:
    """Two chains side by side and one step after both: 3.7 s of sleep, 2.0 s of them on the critical path."""
    found: list[Step] = []
    for side in "ab":
        before: tuple[str, ...] = ()
        for position, seconds in enumerate((0.5, 0.2, 1.0)):
            found.append((f"{side}{position}", before, seconds))
            before = (f"{side}{position}",)
    return [*found, ("join", ("a2", "b2"), 0.3)]


def write(steps: Iterable[Step], path: Path) -> Path:
    """For engines in other interpreters."""
    path.write_text(json.dumps(list(steps)))
    return path


def _name(number: int) -> str:
    return f"s{number:05d}"
