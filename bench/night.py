"""The eight cases of the night, put to `lgtm-deploy` and to a script, on one sandbox: `make night`.

The script is what the two CI workflows of such a stack do. The table says what it has come to 45 s after the first
thing that it changed.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from botocore.exceptions import WaiterError
from docker.errors import DockerException

from bench.script import SERVICES, Script
from lgtm_deploy.config.stack_file import load
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.home import HOME_VARIABLE, NAME_VARIABLE, home_for
from lgtm_deploy.sandbox.lifecycle import down, reset, up
from tests.e2e.conftest import EXAMPLE, Checkout
from tests.e2e.night import cases
from tests.e2e.night.cases import Case
from tests.e2e.night.seen import Seen, meet
from tests.e2e.night.world import World

NAME = "night"
FILE = "lgtm-deploy.yaml"
# What a case gives the script from its first change on, in seconds.
BOUND = 45.0
# What users wait for an answer, in seconds.
PATIENCE = 10.0
# The grace period that night, and what it was raised to once the night was over, in seconds.
GRACE, RAISED_GRACE = 0, 120
CASES = (
    cases.FLIP_FIRST,
    cases.IMAGES_FIRST,
    *cases.TEMPO_PATH_PREFIX,
    cases.RUNTIME_CONFIG,
    cases.STORAGE_PREFIX,
    cases.STORAGE_S3_PREFIX,
    cases.SLOW_START,
    cases.PINNED_TAG,
    cases.ONE_VARIABLE,
    cases.FALSE_GREEN,
    cases.BARE_RULES,
)


class Attempt:
    """A case as the script has it, with 45 s from its first change on."""

    def __init__(self, case: Case, checkout: Checkout) -> None:
        self.case = case
        self.checkout = checkout
        self.script = Script(load(checkout.folder / FILE, "sandbox"), checkout.connection, tag=cases.NEW_TAG)
        self.began = time.time()
        self._until = 0.0

    def changed(self) -> None:
        """Now something outside is another."""
        self._until = self._until or time.monotonic() + BOUND

    def left(self) -> float:
        """Seconds."""
        return self._until - time.monotonic()

    def wait(self, name: str) -> None:
        self.changed()
        self.script.wait(name, self.left() + 1)

    def images(self) -> None:
        self.script.publish(*self.case.services)
        for name in self.case.services:
            self.script.deploy(name)
            self.wait(name)

    def images_then_terraform(self) -> None:
        self.images()
        self.script.terraform()

    def terraform_then_images(self) -> None:
        self.script.terraform()
        self.changed()
        self.images()

    def pushed_and_forced(self) -> None:
        self.script.publish(*self.case.services)
        for name in self.case.services:
            self.script.deploy_again(name)
            self.wait(name)

    def nothing_but_a_comment(self) -> None:
        """Today's files: no path moves, and slow tasks die all the same."""
        shutil.copytree(self.checkout.folder / "start-state", self.checkout.folder, dirs_exist_ok=True)
        config = self.checkout.folder / "dockerfiles/pyroscope/config/pyroscope-config.yaml"
        config.write_text(config.read_text(encoding="utf-8") + "\n# a comment\n", encoding="utf-8")
        self.script.publish("pyroscope")
        self.script.deploy("pyroscope")
        self.wait("pyroscope")

    def by_hand_at_the_right_moment(self) -> None:
        """The best that could be done: a long grace period, and the health check moved under the new task."""
        self.script.grace_period("pyroscope", RAISED_GRACE)
        self.script.publish("pyroscope")
        self.script.deploy("pyroscope")
        self.script.check_path("pyroscope", "/pyroscope/ready")
        self.wait("pyroscope")


WAYS: Mapping[Case, Callable[[Attempt], None]] = {
    cases.FLIP_FIRST: Attempt.terraform_then_images,
    cases.SLOW_START: Attempt.nothing_but_a_comment,
    cases.PINNED_TAG: Attempt.pushed_and_forced,
    cases.FALSE_GREEN: Attempt.by_hand_at_the_right_moment,
    cases.BARE_RULES: Attempt.by_hand_at_the_right_moment,
}
# What users ask for once all is green.
USED = {cases.FALSE_GREEN: f"/pyroscope{cases.PROFILE_TYPES}", cases.BARE_RULES: cases.PROFILE_TYPES}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", help="N1 to N8; none: all of them")
    wanted = parser.parse_args().case or [each.id for each in CASES]
    stack = load(EXAMPLE / FILE, "sandbox")
    home = home_for(stack.directory)
    connection = up(stack, NAME, _silent)
    os.environ.update(connection.environment)
    os.environ[NAME_VARIABLE] = NAME
    # The command runs in copies of the stack, and has to find this very sandbox.
    os.environ[HOME_VARIABLE] = str(home.path)
    try:
        World(stack, connection).pull(home)
        print("| | what was changed | `lgtm-deploy` | seconds | mutating calls | reason | the script, 45 s on |")
        print("|---|---|---|---|---|---|---|")
        return max([_compare(case, stack, connection) for case in CASES if case.id in wanted])
    finally:
        down(home, NAME, _silent)


def _compare(case: Case, stack: Stack, connection: Connection) -> int:
    """Prints one row. 0 when the tool refused without a change, or deployed."""
    with _as_it_was(case, World(stack, connection)), _checkout(connection) as checkout:
        seen = meet(case, checkout)
    if seen.mutating:
        reset(stack, NAME, _silent)
    with _as_it_was(case, World(stack, connection)), _checkout(connection) as checkout:
        case.commit(checkout)
        end = "; ".join(_by_script(case, checkout))
    if case is not cases.ONE_VARIABLE:
        # That one ends where it builds.
        reset(stack, NAME, _silent)
    cells = (case.id, case.change, seen.verdict, f"{seen.seconds:.1f}", str(seen.mutating), seen.reason, end)
    print(f"| {' | '.join(cells)} |", flush=True)
    return int(not _as_it_should(seen))


def _as_it_should(seen: Seen) -> bool:
    return seen.verdict == "deployed" or (seen.verdict == "refused" and seen.mutating == 0)


@contextmanager
def _as_it_was(case: Case, world: World) -> Iterator[None]:
    """What of the cloud belongs to the case; the grace period is as short as it was that night."""
    with ExitStack() as around:
        if case is cases.SLOW_START:
            world.slow_start("pyroscope")
            world.settle()
        elif case is cases.PINNED_TAG:
            world.pin("tempo", cases.OLD_TAG)
            world.settle()
        elif case is cases.BARE_RULES:
            around.enter_context(world.rules("pyroscope", cases.BARE_PATHS))
        for name in SERVICES:
            world.set_grace_period(name, GRACE)
        yield


@contextmanager
def _checkout(connection: Connection) -> Iterator[Checkout]:
    with tempfile.TemporaryDirectory(prefix="lgtm-night-") as scratch:
        folder = Path(scratch) / "stack"
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".lgtm-deploy", ".terraform"))
        yield Checkout(folder=folder, connection=connection)


def _by_script(case: Case, checkout: Checkout) -> Iterator[str]:
    """What it has come to."""
    attempt = Attempt(case, checkout)
    try:
        WAYS.get(case, Attempt.images_then_terraform)(attempt)
        yield "exit 0"
    except WaiterError:
        yield "the waiter still waits"
    except DockerException as error:
        yield f"exit 1: {str(error).strip().splitlines()[-1][:90]}"
        return
    time.sleep(max(0.0, attempt.left()))
    yield from _found(attempt)


def _found(attempt: Attempt) -> Iterator[str]:
    records, script = attempt.checkout.records(attempt.began), attempt.script
    stops = {each["task"]: each for each in records if each["kind"] == "task" and each["reason"]}
    killed = [each for each in stops.values() if "health check" in each["reason"]]
    crashed = [each for each in stops.values() if "Essential container" in each["reason"]]
    if killed:
        yield f"{len(killed)} tasks killed by the health check"
    if crashed:
        yield f"{len(crashed)} tasks exited at their start"
    rolled_back = {each["service"] for each in records if each["kind"] == "deployment" and "ROLLBACK" in each["to"]}
    for name in attempt.case.services:
        if any(name in service for service in rolled_back):
            yield f"ECS rolls {name} back"
        elif not script.is_new(name):
            yield f"{name} runs the old image"
        if not script.healthy(name):
            yield f"no healthy target of {name}"
    if path := USED.get(attempt.case):
        url = attempt.checkout.connection.load_balancer_url + path
        yield f"{path} {_answer(url)}"


def _answer(url: str) -> str:
    try:
        answer = httpx.post(url, json={}, headers={"X-Scope-OrgID": "demo"}, timeout=PATIENCE, trust_env=False)
    except httpx.TimeoutException:
        return f"does not answer within {PATIENCE:g} s"
    return f"answers {answer.status_code}"


def _silent(_text: str) -> None:
    return


if __name__ == "__main__":
    sys.exit(main())
