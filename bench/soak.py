"""`verify --write` again and again, of a sandbox in which all is well: how often does it cry wolf?

    make soak, or scripts/soak [RUNS]

Applies `prefix-change` to the sandbox of the example stack, which is brought up for it, and then verifies it.
"""

import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from lgtm_deploy.cli.verifying import examined, verification
from lgtm_deploy.config import stack_file
from lgtm_deploy.core.verify.finding import Finding

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "lgtm-stack"
RUNS = 200
TOLD_EVERY = 20


def main(runs: int) -> int:
    """Prints the figures; 1 when there was an alarm."""
    _prepare()
    stack = stack_file.load(EXAMPLE / "lgtm-deploy.yaml", "sandbox")
    seconds: list[float] = []
    searches: list[float] = []
    checks = 0
    alarms: Counter[str] = Counter()
    for number in range(1, runs + 1):
        began = time.monotonic()
        findings = examined(verification(stack), list(stack.services.values()), write=True)
        seconds.append(time.monotonic() - began)
        checks += len(findings)
        searches += [each.seconds for each in findings if each.check == "found by search"]
        alarms.update(each.why for each in findings if _is_alarm(each))
        if number % TOLD_EVERY == 0:
            print(f"{number} runs, {sum(alarms.values())} alarms", flush=True)
    print(f"\n{runs} runs, {checks} checks, {sum(alarms.values())} false alarms")
    for name, each in (("a run", seconds), ("Tempo's search", searches)):
        p95 = sorted(each)[int(len(each) * 0.95) - 1]
        print(f"{name}: median {statistics.median(each):.1f} s, 95 % {p95:.1f} s, longest {max(each):.1f} s")
    for why, times in alarms.most_common():
        print(f"{times} x {why}")
    return 1 if alarms else 0


def _prepare() -> None:
    for words in (["sandbox", "up"], ["apply", "prefix-change", "--env", "sandbox", "--yes", "--output", "plain"]):
        subprocess.run([sys.executable, "-m", "lgtm_deploy", *words], cwd=EXAMPLE, check=True, stdin=subprocess.DEVNULL)


def _is_alarm(each: Finding) -> bool:
    return each.level in ("degraded", "failed")


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS))
