"""What a durable step costs, beside other engines and beside this machine's disk: `python -m bench.engine`.

Graphs of steps that do nothing, each engine in a process of its own, in turns: a busy machine is as hard on all. Peers
are installed into environments of their own, in `.lgtm-deploy/bench`. DBOS alone makes each step durable as the engine
does; `--peers all` runs the others, too. Exit 1 when a figure misses its target.
"""

import argparse
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from bench.engine import graphs
from bench.engine.measured import Bench, NotMeasuredError, Told
from bench.engine.peer import Peer, here, installed, ours

HOME = Path(__file__).parents[2] / ".lgtm-deploy" / "bench"
ROUNDS = 3
GRAPHS: dict[str, list[graphs.Step]] = {
    "wide 1,000": graphs.wide(1_000),
    "chain 1,000": graphs.chain(1_000),
    # Beside each other, for they are compared: nothing of another engine's comes between.
    "layered 10,000": graphs.layered(10_000),
    "layered 1,000": graphs.layered(1_000),
    "sleeps": graphs.sleeps(),
}
CHANGES = "lgtm-deploy, changing"
RESUME = "resume"

Key = tuple[str, str]


class Figures:
    """What was measured, by engine and graph."""

    def __init__(self) -> None:
        self._told: dict[Key, list[Told]] = {}
        self.missing: dict[Key, str] = {}

    def take(self, engine: str, graph: str, measure: Callable[[], Told]) -> None:
        """Measures, unless it was in vain before."""
        if (engine, graph) in self.missing:
            return
        try:
            told = measure()
        except NotMeasuredError as error:
            self.missing[engine, graph] = str(error)
            return
        wanted = len(GRAPHS[graph]) if graph in GRAPHS and not told.mean else told.done
        if told.done != wanted:
            self.missing[engine, graph] = f"{told.done} of {wanted} steps done"
        self._told.setdefault((engine, graph), []).append(told)

    def of(self, engine: str, graph: str, figure: Callable[[Told], float]) -> float:
        """The median of a figure; NaN where it could not be measured."""
        told = self._told.get((engine, graph), ())
        return median(figure(each) for each in told) if told and (engine, graph) not in self.missing else float("nan")

    def ratio(self, one: Key, other: Key, figure: Callable[[Told], float]) -> float:
        """The median of the rounds' ratios: the two of a round were measured one right after the other."""
        if one in self.missing or other in self.missing:
            return float("nan")
        pairs = zip(self._told.get(one, ()), self._told.get(other, ()), strict=False)
        found = [figure(each) / figure(beside) for each, beside in pairs]
        return median(found) if found else float("nan")

    def a_step(self, engine: str, graph: str) -> float:
        """Milliseconds a step."""
        return self.of(engine, graph, _a_step)

    def late(self, engine: str) -> float:
        """Milliseconds by which the sleeps took longer than their critical path."""
        return self.of(engine, "sleeps", lambda told: (told.seconds - graphs.CRITICAL_PATH) * 1000)

    def peak(self, engine: str, graph: str) -> float:
        """Peak of memory in MB."""
        return self.of(engine, graph, lambda told: told.peak)

    def resumed(self, engine: str) -> float:
        """Milliseconds from the start of the process to the first step."""
        return self.of(engine, RESUME, _first)


def _a_step(told: Told) -> float:
    # What measures the disk says what one sync takes.
    return told.seconds * 1000 / (1 if told.mean else told.done)


def _first(told: Told) -> float:
    return told.first * 1000


def measure(bench: Bench, dbos: Peer) -> Figures:
    """The engine, DBOS and the disk, in turns."""
    figures = Figures()
    files = _files()
    engine, disk, floor = ours(), here("disk", "../syncs.py"), here("no journal", "floor.py")
    for turn in range(ROUNDS):
        _say(f"round {turn + 1} of {ROUNDS}")
        for graph, file in files.items():
            figures.take(floor.name, graph, lambda file=file: bench.run(floor, file))
            figures.take("disk", graph, lambda: bench.run(disk, Path()))
            figures.take(engine.name, graph, lambda file=file: bench.run(engine, file))
            if graph != "layered 10,000":
                figures.take(CHANGES, graph, lambda file=file: bench.run(engine, file, "changes"))
                figures.take(dbos.name, graph, lambda file=file: bench.run(dbos, file))
        for each in (engine, dbos):
            figures.take(each.name, RESUME, lambda each=each: bench.resumed(each, files["chain 1,000"]))
    return figures


def others(bench: Bench, figures: Figures, dbos: Peer) -> Iterator[str]:
    """Runs the other engines once; gives their names."""
    files = _files()
    figures.take(dbos.name, "layered 10,000", lambda: bench.run(dbos, files["layered 10,000"]))
    peers = [
        installed("doit", HOME, "doit==0.37.0"),
        installed("dask", HOME, "dask==2026.8.0"),
        installed("luigi", HOME, "luigi==3.8.1"),
        # With a newer fastapi this Prefect does not start.
        installed("prefect", HOME, "prefect==3.8.8", "fastapi==0.149.0"),
    ]
    if shutil.which("terraform"):
        peers.append(here("terraform_data", "terraform_run.py"))
    for peer in peers:
        for graph, file in files.items():
            _say(f"{peer.name}: {graph}")
            figures.take(peer.name, graph, lambda peer=peer, file=file: bench.run(peer, file))
        yield peer.name


def table(figures: Figures, engines: list[str]) -> None:
    """Every engine's figures."""
    heads = ("wide", "chain", "layered", "layered", "sleeps", "peak", "peak", "resume")
    units = ("1,000", "1,000", "10,000", "1,000", "2.0 s", "1,000", "10,000", "")
    said = ("ms/step", "ms/step", "ms/step", "ms/step", "ms late", "MB", "MB", "ms")
    for row in (heads, units, said):
        print(f"{'':24}" + "".join(f"{each:>9}" for each in row))
    for engine in engines:
        found = (
            *(figures.a_step(engine, graph) for graph in list(GRAPHS)[:4]),
            figures.late(engine),
            figures.peak(engine, "wide 1,000"),
            figures.peak(engine, "layered 10,000"),
            figures.resumed(engine),
        )
        print(f"{engine:24}" + "".join(f"{_number(each):>9}" for each in found))
    for (engine, graph), why in figures.missing.items():
        print(f"not measured: {engine}, {graph}: {why}")


def missed(figures: Figures, dbos: str) -> bool:
    """Prints the ratios beside their targets; whether one is missed."""
    us, wide, chain = "lgtm-deploy", "wide 1,000", "chain 1,000"
    layered, large = "layered 1,000", "layered 10,000"
    rows = (
        ("changing, chain: DBOS to ours", figures.ratio((dbos, chain), (CHANGES, chain), _a_step), 3.0, True),
        ("changing, wide: DBOS to ours", figures.ratio((dbos, wide), (CHANGES, wide), _a_step), 5.0, True),
        ("read-only, chain: DBOS to ours", figures.ratio((dbos, chain), (us, chain), _a_step), 4.0, True),
        ("read-only, wide: DBOS to ours", figures.ratio((dbos, wide), (us, wide), _a_step), 4.0, True),
        ("a step, layered: 10,000 to 1,000", figures.ratio((us, large), (us, layered), _a_step), 1.2, False),
        ("peak of memory, 10,000 steps, MB", figures.peak(us, large), 60.0, False),
        ("sleeps: ours to no journal", figures.ratio((us, "sleeps"), ("no journal", "sleeps"), _a_step), 1.05, False),
        ("resume to first step: DBOS to ours", figures.ratio((dbos, RESUME), (us, RESUME), _first), 5.0, True),
    )
    sync = figures.of("disk", chain, lambda told: told.seconds * 1000)
    mean = figures.of("disk", chain, lambda told: told.mean * 1000)
    rested = figures.of("disk", chain, lambda told: told.rested * 1000)
    commits = figures.of(us, "sleeps", lambda told: told.commits)
    print(
        f"\nto append 200 bytes and sync them: median {sync:.2f} ms, mean {mean:.2f} ms, after a rest {rested:.2f} ms"
    )
    print(f"the sleeps' {commits:.0f} commits come after rests: so many such syncs take {commits * rested:.0f} ms")
    if mean > 2 * sync:
        print("Others write to this disk: what is said in ms and of a sync says little.")
    print(f"\n{'':42}{'found':>8}{'target':>10}")
    failed = False
    for name, found, target, at_least in rows:
        met = found >= target if at_least else found <= target
        failed = failed or not met
        sign = ">=" if at_least else "<="
        print(f"{name:42}{found:>8.2f}{f'{sign} {target:g}':>10}{'' if met else '  missed'}")
    return failed


def main() -> int:
    """Measures, prints two tables, and says whether the targets are met."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine")
    parser.add_argument("--peers", choices=("dbos", "all"), default="dbos", help="all: takes some ten minutes more")
    asked = parser.parse_args()
    HOME.mkdir(parents=True, exist_ok=True)
    bench = Bench(HOME)
    try:
        dbos = installed("dbos", HOME, "dbos==3.4.0")
        figures = measure(bench, dbos)
        more = list(others(bench, figures, dbos)) if asked.peers == "all" else []
    except (OSError, subprocess.SubprocessError) as error:
        print(f"A peer could not be installed or started: {error}", file=sys.stderr)
        return 1
    table(figures, ["lgtm-deploy", CHANGES, dbos.name, *more, "no journal"])
    return 1 if missed(figures, dbos.name) else 0


def _files() -> dict[str, Path]:
    return {name: graphs.write(steps, HOME / f"{name.replace(' ', '-')}.json") for name, steps in GRAPHS.items()}


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
