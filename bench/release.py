"""The same release by a script and by lgtm-deploy, in one run on one sandbox: `make bench`.

Three releases of Tempo and Pyroscope, each from the state of today:

1. by script, with images that answer the old and the new health check path: the most that a script can do;
2. by script, with the documented change (a Pyroscope that answers the new path only) and a short grace period: bounded.
   ECS kills the new tasks and rolls back; the waiter takes the finished rollback for a success, and the script goes on
   and moves the health check under the old image;
3. by `lgtm-deploy apply prefix-change`, with the documented change and Grafana's data sources as well.

The script is what the two CI workflows of such a stack do, one after the other: log in, build, push, register and
deploy, wait with the waiter `services_stable`, then plan and apply the load balancer's Terraform.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import WaiterError

from bench.script import SERVICES, WAITER_LIMIT, Script
from lgtm_deploy.config.stack_file import load
from lgtm_deploy.sandbox.home import HOME_VARIABLE, NAME_VARIABLE, home_for
from lgtm_deploy.sandbox.lifecycle import down, reset, up

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "lgtm-stack"
FILE = "lgtm-deploy.yaml"
NAME = "bench"
# Seconds. With the sandbox's own grace period the script would wait for minutes before it fails.
SHORT_GRACE = 15


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bound", type=float, default=90.0, help="seconds given to the release that never ends")
    bound = parser.parse_args().bound
    stack = load(EXAMPLE / FILE, "sandbox")
    connection = up(stack, NAME, _silent)
    os.environ.update(connection.environment)
    os.environ[NAME_VARIABLE] = NAME
    # The command runs in a copy of the stack, and has to find this very sandbox.
    os.environ[HOME_VARIABLE] = str(home_for(stack.directory).path)
    rows: list[tuple[str, str, str]] = []
    try:
        with _checkout(after=False) as folder:
            seconds = _timed(
                lambda: _release(Script(load(folder / FILE, "sandbox"), connection), WAITER_LIMIT, both_paths=True)
            )
        rows.append(("script, images that answer both paths", f"{seconds:.1f}", "deployed"))
        reset(stack, NAME, _silent)
        with _checkout(after=True) as folder:
            broken, tried = _bounded(Script(load(folder / FILE, "sandbox"), connection), bound)
        rows.append(("script, the documented change", f"{tried:.1f}", broken or "deployed"))
        reset(stack, NAME, _silent)
        with _checkout(after=True) as folder:
            ours = _timed(lambda: _apply(folder))
        rows.append(("lgtm-deploy apply prefix-change", f"{ours:.1f}", "deployed"))
    finally:
        down(home_for(stack.directory), NAME, _silent)
    for name, took, end in (("release", "seconds", "end"), *rows):
        print(f"{name:<40} {took:>8}  {end}")
    print(f"lgtm-deploy / script: {ours / seconds:.2f}")
    return 0 if ours < seconds and broken else 1


def _release(script: Script, patience: float, *, both_paths: bool) -> None:
    """`patience` is how long the waiter waits for one service, in seconds."""
    script.publish(*SERVICES)
    for name in SERVICES:
        script.deploy(name)
        script.wait(name, patience)
    # A path that both images answer, and yet another one than before: Terraform has the same work to do.
    script.terraform(*(["pyroscope_health_check_path=/ready?after"] if both_paths else []))


def _bounded(script: Script, seconds: float) -> tuple[str, float]:
    """What went wrong (empty: nothing), and the seconds until the script ended."""
    script.grace_period("pyroscope", SHORT_GRACE)
    began = time.monotonic()
    try:
        _release(script, seconds, both_paths=False)
    except WaiterError as error:
        return f"given up: {error}", time.monotonic() - began
    took = time.monotonic() - began
    wrong = script.wrong()
    return f"exit 0, but {wrong}" if wrong else "", took


def _apply(folder: Path) -> None:
    words = [sys.executable, "-m", "lgtm_deploy", "apply", "prefix-change", "--env", "sandbox", "--yes"]
    subprocess.run(words, cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-m", "lgtm_deploy", "show"], cwd=folder, check=True)


@contextmanager
def _checkout(*, after: bool) -> Iterator[Path]:
    """The example; `after` the change, or as it was one commit before with images that are new all the same."""
    with tempfile.TemporaryDirectory(prefix="lgtm-bench-") as scratch:
        folder = Path(scratch) / "stack"
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".lgtm-deploy", ".terraform"))
        if not after:
            shutil.copytree(EXAMPLE / "start-state", folder, dirs_exist_ok=True)
            for name in SERVICES:
                config = folder / f"dockerfiles/{name}/config/{name}-config.yaml"
                config.write_text(config.read_text(encoding="utf-8") + "\n# released by script\n", encoding="utf-8")
        yield folder


def _timed(action: Callable[[], None]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def _silent(_text: str) -> None:
    return


if __name__ == "__main__":
    sys.exit(main())
