"""Which exit code does an error have that ended a verb?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lgtm_deploy.cli.exits import exit_code
from lgtm_deploy.core import errors
from tests.steps.simulation import EXAMPLE, copy_example

ROOT = EXAMPLE.parents[2]

# The disk is full once the first change has been sent.
FULL = """
import sys
from lgtm_deploy.cli import app
from lgtm_deploy.core.errors import JournalError
from lgtm_deploy.core.event import StepObserved
from lgtm_deploy.storage.local import LocalJournal
from tests.kills import faked

append, full = LocalJournal.append, []

def filling(journal, run, fence, events):
    if full:
        raise JournalError("The disk is full.", resolution="Free some space.")
    full.extend(each for each in events if isinstance(each, StepObserved))
    return append(journal, run, fence, events)

LocalJournal.append = filling
faked.join(lambda: None)
sys.exit(app.run(["apply", "prefix-change", "--env", "prod", "--yes"]))
"""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.TransientError, 2),
        (errors.PermanentError, 2),
        (errors.JournalError, 2),
        (errors.UsageError, 2),
        (errors.LockHeldError, 4),
        (errors.JournalBusyError, 4),
        (errors.DeadlineError, 5),
        (errors.InDoubtError, 5),
        (errors.InterruptedRunError, 130),
    ],
)
def test_no_error_has_the_exit_code_of_a_run_that_is_back(error: type[errors.DeployError], code: int) -> None:
    assert exit_code(error("It went wrong.")) == code


def test_a_run_that_changed_something_and_can_no_longer_be_written_down_is_in_doubt(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    copy_example(folder)

    ended = subprocess.run(
        [sys.executable, "-c", FULL],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 5, ended.stderr
    assert "could not be written down any more: The disk is full." in ended.stderr
    assert "lgtm-deploy resume" in ended.stderr
