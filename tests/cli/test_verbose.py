"""`--verbose` prints tracebacks and debug lines on standard error, and no secret."""

import logging
from pathlib import Path

import pytest

from lgtm_deploy.cli import debug
from lgtm_deploy.core.masks import Masks
from tests.cli.command import lgtm_deploy
from tests.cli.outside import outside
from tests.config.files import STACK, lay_stack

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.mark.parametrize("asked", ["option", "variable"])
def test_an_error_is_printed_with_its_traceback(tmp_path: Path, asked: str) -> None:
    words = ["--verbose"] if asked == "option" else []
    environment = {} if words else {"LGTM_DEPLOY_VERBOSE": "1"}

    said = lgtm_deploy("runs", *words, folder=tmp_path, environment=environment)

    assert said.code == 2
    assert "Traceback (most recent call last)" in said.err
    assert "UsageError: There is no lgtm-deploy.yaml" in said.err
    assert said.err.splitlines()[-1].startswith("Error: There is no lgtm-deploy.yaml")


def test_without_it_an_error_is_one_line(tmp_path: Path) -> None:
    said = lgtm_deploy("runs", folder=tmp_path)

    assert said.complaint.startswith("Error: ")


def test_calls_to_aws_are_printed_without_credentials(tmp_path: Path) -> None:
    with outside() as url:
        lay_stack(tmp_path, STACK.replace("    cluster: lgtm\n", f"    cluster: lgtm\n    endpoint: {url}\n"))
        said = lgtm_deploy("doctor", "--verbose", folder=tmp_path, environment=KEYS)

    assert "lgtm_deploy.adapters.aws: sts GetCallerIdentity: 200" in said.err
    assert "lgtm_deploy.adapters.aws: ecs DescribeServices: AccessDeniedException" in said.err
    assert "canary" not in said.err + said.out


def test_a_secret_value_is_replaced_in_lines_and_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    debug.start()
    debug.redact(Masks(values={"token": "correct horse"}))

    logging.getLogger("lgtm_deploy.test").debug("correct horse failed", exc_info=ValueError("correct horse"))
    debug.stop()

    told = capsys.readouterr().err
    assert "correct horse" not in told
    assert "ValueError: ${{ vars.token }}" in told


def test_nothing_is_printed_once_it_has_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    debug.start()
    debug.stop()

    logging.getLogger("lgtm_deploy.test").debug("not this")

    assert capsys.readouterr().err == ""
