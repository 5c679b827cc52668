"""`python -m bench.torture`: rounds of kill and resume, of kill and rollback, or of faults of the network.
Prints a table; exits 1 when one fails.

Every write to the journal is a boundary. Rounds that are in the file of results already are not played again, so that
what was stopped is gone on with by the same command.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.torture.cloud import Cloud, Ended
from bench.torture.faults import Faults

APPLY = ("apply", "prefix-change", "--env", "sandbox", "--yes", "--output", "json")
KILLED = -9


@dataclass(frozen=True, kw_only=True)
class Round:
    """Where the process is killed (`at`: `before 12`, `after 12`, or `second 8.31`), and what comes then; of a run that
    nobody kills, the seed of its faults (`seed 3`)."""

    mode: str
    at: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a round went; `wrong` is empty when it went well."""

    round: Round
    killed: bool
    last: str
    verdict: str
    seconds: float
    wrong: str


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A run that nobody kills."""

    start: dict[str, Any]
    goal: dict[str, Any]
    made: Counter[str]
    writes: int
    seconds: float


def measured(cloud: Cloud) -> Reference:
    """Start and goal, and how long the way is."""
    cloud.reset()
    start, began = cloud.state(), time.monotonic()
    ended = cloud.run("after", "0", *APPLY, module=("bench.torture.victim",))
    seconds = time.monotonic() - began
    if ended.code:
        raise SystemExit(f"An undisturbed run ends with {ended.code}: {_last(ended)}")
    writes = int(ended.err.rpartition("writes: ")[2])
    return Reference(start=start, goal=cloud.state(), made=cloud.made(), writes=writes, seconds=seconds)


def rounds(reference: Reference, wanted: argparse.Namespace) -> Iterator[Round]:
    """Every boundary (or as many, evenly spread), then the random moments, of this shard; or seeds of faults."""
    if wanted.mode == "faults":
        at = [f"seed {wanted.seed + index}" for index in range(wanted.moments)]
    else:
        at = boundaries(reference, wanted)
    shard, shards = map(int, wanted.shard.split("/"))
    yield from (Round(mode=wanted.mode, at=each) for each in at[shard - 1 :: shards])


def boundaries(reference: Reference, wanted: argparse.Namespace) -> list[str]:
    """Where to kill."""
    count = wanted.boundaries if wanted.boundaries is not None else reference.writes
    numbers = sorted({1 + index * reference.writes // max(count, 1) for index in range(count)})
    at = [f"{('before', 'after')[index % 2]} {number}" for index, number in enumerate(numbers)]
    dice = random.Random(wanted.seed)
    return at + [f"second {dice.uniform(0.5, reference.seconds):.2f}" for _ in range(wanted.moments)]


def played(cloud: Cloud, each: Round, reference: Reference) -> Result:
    """One round, from a fresh sandbox."""
    cloud.reset()
    what, number = each.at.split()
    if what == "seed":
        began = time.monotonic()
        with Faults(int(number), cloud.endpoint) as faults, cloud.behind(faults.url):
            then = cloud.run(*APPLY)
        killed, last = False, f"{faults.happened.total()} calls, {faults.failed} with a fault"
    else:
        if what == "second":
            first = cloud.run(*APPLY, seconds=float(number))
        else:
            first = cloud.run(what, number, *APPLY, module=("bench.torture.victim",))
        killed, last = first.code == KILLED, _step(first)
        began = time.monotonic()
        then = _then(cloud, each.mode)
    seconds = round(time.monotonic() - began, 1)
    wrong = _wrong(cloud, each, reference)
    if what == "seed" and not faults.failed:
        wrong.insert(0, "no call had a fault")
    if then.code:
        wrong.insert(0, f"exit {then.code}: {_last(then)}")
    return Result(round=each, killed=killed, last=last, verdict=_verdict(then), seconds=seconds, wrong="; ".join(wrong))


def _wrong(cloud: Cloud, each: Round, reference: Reference) -> list[str]:
    """What differs from goal or start, and what was done too often."""
    wanted = reference.start if each.mode == "rollback" else reference.goal
    state, made = cloud.state(), cloud.made()
    wrong = [
        f"{name}: {key} is {state[name][key]}, not {value}"
        for name, row in wanted.items()
        for key, value in row.items()
        if state[name][key] != value
    ]
    most = 2 if each.mode == "rollback" else 1
    return wrong + [
        f"{what}: {count}" for what, count in made.items() if count > (1 if what.startswith("pushes") else most)
    ]


def _then(cloud: Cloud, mode: str) -> Ended:
    """What somebody does who finds that the process is gone. A run that left no word is begun anew, or never was."""
    listed = cloud.run("runs", "--output", "json", "--env", "sandbox").out.splitlines()
    known = json.loads(listed[0]) if listed else {}
    if mode == "resume":
        return cloud.run("resume", "last", *APPLY[2:]) if known and not known.get("verdict") else cloud.run(*APPLY)
    if not known:
        return Ended(code=0, out="", err="")
    return cloud.run("rollback", "last", *APPLY[2:])


def _events(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.out.splitlines() if line.startswith("{") and line.endswith("}")]


def _step(ended: Ended) -> str:
    events = _events(ended)
    return f"{events[-1]['event']} {events[-1].get('step', '')}".strip() if events else "nothing said"


def _verdict(ended: Ended) -> str:
    return next((each["verdict"] for each in reversed(_events(ended)) if each.get("verdict")), "-")


def _last(ended: Ended) -> str:
    return (ended.err.strip() or ended.out.strip())[-300:]


def main() -> int:
    """Plays what is not yet in the file of results, and prints all that is."""
    parser = argparse.ArgumentParser(prog="bench.torture", description=__doc__)
    parser.add_argument("--mode", choices=["resume", "rollback", "faults"], default="resume")
    parser.add_argument("--boundaries", type=int, help="so many of them, evenly spread; all when left out")
    parser.add_argument("--moments", type=int, default=20, help="random moments, or runs between faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shard", default="1/1", help="which part of how many")
    parser.add_argument("--results", type=Path, default=Path(tempfile.gettempdir()) / "lgtm-deploy-torture.jsonl")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found = [json.loads(line) for line in wanted.results.read_text().splitlines()] if wanted.results.exists() else []
    os.environ["LGTM_DEPLOY_SANDBOX"] = f"torture-{wanted.shard.partition('/')[0]}"
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(Path(folder) / "lgtm-stack")
        cloud.up()
        reference = measured(cloud)
        print(f"undisturbed: {reference.writes} writes, {reference.seconds:.0f} s, {dict(reference.made)}", flush=True)
        for each in rounds(reference, wanted):
            if asdict(each) in [known["round"] for known in found]:
                continue
            result = asdict(played(cloud, each, reference))
            found.append(result)
            with wanted.results.open("a") as out:
                out.write(json.dumps(result) + "\n")
            print(_row(result), flush=True)
    return _told(found)


def _row(result: dict[str, Any]) -> str:
    where = f"{result['round']['mode']:8} {result['round']['at']:14} {'killed' if result['killed'] else 'ended':6}"
    went = result["wrong"] or "ok"
    return f"{where} {result['last'][:38]:38} {result['verdict']:11} {result['seconds']:6.1f} s  {went}"


def _told(found: list[dict[str, Any]]) -> int:
    print(f"\n{'then':8} {'killed at':14} {'':6} {'its last word':38} {'verdict':11}")
    for result in found:
        print(_row(result))
    bad = [result for result in found if result["wrong"]]
    killed = sum(result["killed"] for result in found)
    print(f"\n{len(found) - len(bad)} of {len(found)} as they should be; {killed} of them were killed on the way")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
