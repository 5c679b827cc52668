"""`python -m bench.replay`: plays recordings against the stand-ins and compares every answer.

Prints a table of differences and the counts. Exits with 1 where a request of the product does not match in full, where
fewer than 95 % of the other API exchanges match, where readiness, an exit or a stop differs, where a status differs
although the project has a recording of that configuration, or where nothing was compared.
"""

import argparse
import sys
from pathlib import Path

from bench.replay.run import RECORDINGS, Options, replay


def main() -> int:
    """Read the arguments, replay, print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description="Replay recordings of real servers.")
    parser.add_argument("--recordings", type=Path, default=RECORDINGS, metavar="DIR", help="folder of recordings")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="names of recordings, such as 'tempo-2.9.0-*'")
    parser.add_argument("--factor", type=float, default=10.0, metavar="N", help="number by which delays are divided")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="maximum number of stand-ins at the same time")
    parser.add_argument(
        "--leave-out", action="store_true", help="hide each recording from the stand-in that it is played against"
    )
    given = parser.parse_args()
    if not given.recordings.is_dir():
        parser.error(f"{given.recordings} is no folder.")
    if given.factor < 1 or given.jobs < 1:
        parser.error("--factor and --jobs are 1 or more.")
    options = Options(
        folder=given.recordings, only=given.only, factor=given.factor, jobs=given.jobs, leave_out=given.leave_out
    )
    report = replay(options)
    for line in (*report.table(), "", *report.counts()):
        print(line)
    faults = report.faults()
    for fault in faults:
        print(f"replay fails: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
