"""lgtm-deploy's engine on one graph, with the journal on this machine: `python -m bench.engine.ours GRAPH FOLDER`.

The whole run is timed, from its first event to its verdict. That a step begins and ends is on disk before it is
announced; the next one does not wait for that, for it changes nothing. With `changes` each step counts as one that
changes the environment: all before it, and what it found, is on disk before it acts. With `kill` the process is killed
in the middle; with `resume` the run in the folder goes on.
"""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from lgtm_deploy.adapters.clock import SystemClock
from lgtm_deploy.core.graph import Graph, Phase
from lgtm_deploy.core.output import Output
from lgtm_deploy.core.plan import Plan
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.step import Action, Change, Effect, Proposal
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.conduct import Decisions, conduct
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.storage.local import LocalJournal

RUN = "bench"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Nothing:
    pass


class Sleep(Action[Inputs, Nothing, Nothing]):
    """Sleeps, mostly for no time at all."""

    effect: ClassVar[Effect] = Effect.LOCAL
    takes = Inputs
    sees = Nothing
    gives = Nothing

    def __init__(self, *, killed_at: int = 0, once: bool = False) -> None:
        self.done = 0
        self.first = 0.0
        self._killed_at = killed_at
        self._once = once

    def observe(self, inputs: Inputs) -> Nothing:  # noqa: ARG002
        return Nothing()

    def propose(self, inputs: Inputs, seen: Nothing) -> Proposal[Nothing]:  # noqa: ARG002
        return Change(summary="sleep")

    def apply(self, inputs: Inputs, seen: Nothing, progress: Progress) -> Nothing:  # noqa: ARG002
        self.first = self.first or time.time()
        if self._once:
            # All that is asked for is known.
            print(json.dumps({"seconds": 0.0, "done": 0, "peak": 0.0, "first": self.first}), flush=True)
            os._exit(0)
        if inputs.seconds:
            time.sleep(inputs.seconds)
        self.done += 1
        if self.done == self._killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return Nothing()


class ChangingSleep(Sleep):
    effect = Effect.REMOTE


class CountedJournal(LocalJournal):
    commits = 0

    def append(self, *arguments: Any) -> Any:
        self.commits += 1
        return super().append(*arguments)


def main(graph_file: Path, folder: Path, how: str = "") -> None:
    graph = Graph()
    for name, needs, seconds in json.loads(graph_file.read_text()):
        after = [Output(each) for each in needs]
        graph.add(name, Sleep, Inputs(seconds=seconds), title=name, phase=Phase.DEPLOY, after=after)
    kind = ChangingSleep if how == "changes" else Sleep
    step = kind(killed_at=len(graph.nodes) // 2 if how == "kill" else 0, once=how == "resume")
    journal = CountedJournal(folder / "state.sqlite")
    run = Run(id=RUN).folded(record.event for record in journal.records(RUN))
    began = time.perf_counter()
    job = Job(
        plan=Plan(name="bench"),
        graph=graph,
        steps=dict.fromkeys(graph.nodes, step),
        writer=JournalWriter(run, journal, 1),
        clock=SystemClock(),
        stop=CancellationToken(),
        environment="bench",
    )
    conduct(job, Decisions(approve=lambda _: True), lambda *_: (0, ""), stack="bench", by="bench")
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
    told = {"seconds": seconds, "done": step.done, "peak": peak, "first": step.first, "commits": journal.commits}
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
