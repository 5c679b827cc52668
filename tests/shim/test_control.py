"""Unmodified MiniStack fails every truth: the tests of the truths test something."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.shim.cloud import WITH_SHIM

pytestmark = pytest.mark.sandbox
TRUTHS = Path(__file__).with_name("test_truths.py")


@pytest.mark.skipif(not WITH_SHIM, reason="this is the run without the shim")
def test_every_truth_fails_without_the_shim(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    environment = {**os.environ, "SANDBOX_SHIM": "off"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    subprocess.run(
        [sys.executable, "-m", "pytest", str(TRUTHS), "-q", "-p", "no:cacheprovider", f"--junitxml={report}"],
        env=environment,
        cwd=TRUTHS.parents[2],
        check=False,
        timeout=240,
        capture_output=True,
    )
    cases = ElementTree.parse(report).findall(".//testcase")
    assert cases
    # A case that could not even begin tells nothing.
    assert [case.get("name") for case in cases if case.find("error") is not None] == []
    passed = [case.get("name") for case in cases if case.find("failure") is None]
    assert passed == []
