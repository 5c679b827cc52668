"""What every peer is given, and what it tells: runs in the peer's own interpreter."""

import json
import sys
import time
from pathlib import Path

STEPS = [(name, needs, seconds) for name, needs, seconds in json.loads(Path(sys.argv[1]).read_text())]
FOLDER = Path(sys.argv[2])
NEEDS = {name: needs for name, needs, _ in STEPS}
SECONDS = {name: seconds for name, _, seconds in STEPS}
LAST = sorted(NEEDS.keys() - {need for needs in NEEDS.values() for need in needs})
SLEEPS = any(SECONDS.values())

done = []


def work(name, *_):
    """One step."""
    if SECONDS[name]:
        time.sleep(SECONDS[name])
    done.append(name)


def tell(seconds, **more):
    """Says how long the run took, in seconds. The peak of memory is the process's own, in MB."""
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "done": len(done), "peak": peak / 1024} | more), flush=True)
