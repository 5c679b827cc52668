"""The shim refuses a MiniStack that it was not made for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from lgtm_deploy.sandbox.shim.pin import PRIVATE_NAMES
from tests.shim.cloud import SHIM_PARENT


def start_with(*path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, SHIM_PARENT)))}
    return subprocess.run(
        [sys.executable, "-m", "shim"], env=environment, capture_output=True, text=True, check=False, timeout=30
    )


def test_another_version_is_refused_in_one_line(tmp_path: Path) -> None:
    metadata = tmp_path / "ministack-9.9.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: ministack\nVersion: 9.9.9\n")
    refused = start_with(tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        "The sandbox shim replaces private parts of MiniStack 1.5.33, but found 9.9.9."
    ]


def test_private_name_that_is_gone_is_refused(tmp_path: Path) -> None:
    metadata = tmp_path / "ministack-1.5.33.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: ministack\nVersion: 1.5.33\n")
    (tmp_path / "ministack").mkdir()
    (tmp_path / "ministack" / "__init__.py").touch()
    (tmp_path / "ministack" / "app.py").write_text("app = main = None\n")
    refused = start_with(tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith(
        "The sandbox shim does not fit this MiniStack: ministack.app has no _send_response"
    )


def test_every_private_name_that_the_shim_uses_is_checked() -> None:
    modules = {"ecs": "ministack.services.ecs", "alb": "ministack.services.alb", "ecr": "ministack.services.ecr"}
    for source in (SHIM_PARENT / "shim").glob("*.py"):
        for module, name in re.findall(r"\b(ecs|alb|ecr)\.(_\w+)", source.read_text()):
            assert name in PRIVATE_NAMES[modules[module]].split(), f"{source.name} uses {module}.{name}"
