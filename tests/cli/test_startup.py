"""The program is up before it has loaded what it does not need."""

import subprocess
import sys

import pytest

# What `--help` shows needs none of these, and each costs as much as all of the rest.
HEAVY = ("boto3", "botocore", "docker", "pydantic", "rich.live", "httpx", "python_terraform", "ruamel.yaml", "tenacity")
OURS = ("lgtm_deploy.adapters", "lgtm_deploy.engine", "lgtm_deploy.storage", "lgtm_deploy.sandbox.lifecycle")
SCRIPT = """
import contextlib, io, sys
from lgtm_deploy.cli.main import main
sys.argv = ["lgtm-deploy", *sys.argv[1:]]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print("\\n".join(sys.modules))
"""


def loaded_by(*words: str) -> set[str]:
    """All modules that the program has loaded when it ends."""
    ended = subprocess.run([sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


def test_the_version_is_told_without_loading_anything() -> None:
    loaded = loaded_by("--version")

    assert not loaded & {"typer", "click", "rich", *HEAVY, *OURS, "dataclasses", "pathlib"}
    assert {name for name in loaded if name.startswith("lgtm_deploy")} == {
        "lgtm_deploy",
        "lgtm_deploy.cli",
        "lgtm_deploy.cli.main",
    }


def test_help_loads_no_sdk() -> None:
    assert not loaded_by("--help") & {*HEAVY, *OURS}


@pytest.mark.parametrize("words", [("apply", "--help"), ("sandbox", "--help")])
def test_a_verbs_help_loads_no_sdk(words: tuple[str, ...]) -> None:
    # typer itself reads the options before the verb with pydantic.
    assert not loaded_by(*words) & {*HEAVY, *OURS} - {"pydantic"}
