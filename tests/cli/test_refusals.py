"""What cannot be done is said in one line, with the right exit code, and nothing is changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Said, lgtm_deploy
from tests.cli.outside import ACCOUNT, outside
from tests.config.files import PLAN, STACK, lay_stack

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
INIT_ONLY = "schema: 2\nname: init\nuses: url-rewrite\nservices: [tempo]\nterraform: [{root: alb}]\n"


@pytest.fixture(scope="module")
def world() -> Iterator[str]:
    with outside() as url:
        yield url


@pytest.fixture
def stack(tmp_path: Path, world: str) -> Path:
    """A folder with a stack whose environment is that world."""
    lay_stack(tmp_path, STACK.replace("    cluster: lgtm\n", f"    cluster: lgtm\n    endpoint: {world}\n"))
    (tmp_path / "init.yaml").write_text(INIT_ONLY)
    return tmp_path


def test_no_stack_file(tmp_path: Path) -> None:
    said = lgtm_deploy("apply", "prefix-change", "--yes", folder=tmp_path)

    assert said.code == 2
    assert said.complaint.startswith(f"Error: There is no lgtm-deploy.yaml in {tmp_path} or above it.")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("apply", "./init.yaml", "--env", "dev"), "has no environment 'dev'. It has: prod."),
        (("apply", "nosuch", "--yes"), "There is no plan 'nosuch'. There are: "),
        (("apply", "./none.yaml", "--yes"), "Cannot read none.yaml: No such file or directory."),
        (("apply", "./init.yaml"), "There is no terminal to ask for approval at. Pass --yes to apply without it."),
        (
            ("apply", "./init.yaml", "--yes", "--only", "x"),
            "The plan has no step 'x'. It has: terraform-init, terraform-plan, rewrite, probe.",
        ),
        (("apply", "./init.yaml", "--yes", "--var", "x"), "--var x: write it as NAME=VALUE."),
        (("apply", "./init.yaml", "--yes", "--var", "x=1"), "Plan 'init' has no variable 'x'. It has: none."),
        (("apply", "prefix-change", "--yes"), "The stack has no service 'pyroscope'."),
        (("show", "abc"), "There is no run 'abc'. See `lgtm-deploy runs`."),
        (("validate", "--stack", "nowhere.yaml"), "Cannot read nowhere.yaml"),
        (("sandbox", "up"), "has no environment with `endpoint: sandbox`."),
    ],
)
def test_what_was_typed_cannot_be_done(stack: Path, words: tuple[str, ...], complaint: str) -> None:
    before = sorted(stack.rglob("*"))

    said = lgtm_deploy(*words, folder=stack)

    assert said.code == 2
    assert said.complaint.startswith("Error: ")
    assert complaint in said.complaint
    assert said.out == ""
    if words[0] == "apply":
        assert sorted(stack.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "where"),
    [("steps: [", "1:9"), (PLAN.replace("uses: h", "uses: x"), "3:1"), (f"{INIT_ONLY}x: 1\n", "6:1")],
)
def test_a_plan_that_cannot_be_used_is_pointed_into(stack: Path, text: str, where: str) -> None:
    (stack / "bad.yaml").write_text(text)

    said = lgtm_deploy("apply", "./bad.yaml", "--yes", folder=stack)

    assert said.code == 2
    assert said.complaint.startswith(f"Error: bad.yaml:{where}: ")


def test_no_sandbox_up(tmp_path: Path) -> None:
    lay_stack(tmp_path, STACK.replace("    cluster: lgtm\n", "    cluster: lgtm\n    endpoint: sandbox\n"))
    (tmp_path / "init.yaml").write_text(INIT_ONLY)

    for words in (("apply", "./init.yaml", "--yes"), ("plan", "./init.yaml"), ("status",)):
        said = lgtm_deploy(*words, folder=tmp_path)
        assert said.code == 2
        assert said.complaint == ("Error: The sandbox 'default' is not up. Start it with `lgtm-deploy sandbox up`.")


def test_a_sandbox_with_a_name_is_told_how_it_is_meant(stack: Path) -> None:
    said = lgtm_deploy("sandbox", "status", "--name", "other", folder=stack)

    assert said.out.strip() == (
        "The sandbox 'other' is not up. Start it with `LGTM_DEPLOY_SANDBOX=other lgtm-deploy sandbox up`."
    )


def test_no_credentials(stack: Path) -> None:
    said = apply(stack, AWS_EC2_METADATA_DISABLED="true", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")

    assert said.code == 2
    assert "credentials" in said.complaint


def apply(stack: Path, **environment: str) -> Said:
    return lgtm_deploy("apply", "./init.yaml", "--yes", folder=stack, environment=KEYS | environment)


def test_credentials_of_another_account_are_refused_before_anything_else(stack: Path) -> None:
    file = stack / "lgtm-deploy.yaml"
    file.write_text(file.read_text().replace(ACCOUNT, "999999999999"))

    said = apply(stack, DOCKER_HOST="tcp://127.0.0.1:1")

    assert said.code == 2
    assert said.complaint == (
        f"Error: The credentials in use are for account {ACCOUNT}; environment 'prod' is in account 999999999999. "
        "Use that account's credentials, or correct `account` in the stack file."
    )


def test_no_docker(stack: Path) -> None:
    said = apply(stack, DOCKER_HOST="unix:///nowhere/docker.sock")

    assert said.code == 2
    assert "Docker" in said.complaint


def test_no_terraform(stack: Path, world: str) -> None:
    said = apply(stack, DOCKER_HOST=world.replace("http", "tcp"), PATH="")

    assert said.code == 2
    assert "Traceback" not in said.err
    assert "refused" in said.out
    assert "terraform" in said.out.lower()


def test_no_terraform_is_said_once_when_only_looking_ahead(stack: Path, world: str) -> None:
    environment = KEYS | {"DOCKER_HOST": world.replace("http", "tcp"), "PATH": ""}

    said = lgtm_deploy("plan", "./init.yaml", "--output", "json", folder=stack, environment=environment)

    assert said.code == 2
    assert "terraform" in said.complaint.lower()


def test_a_failed_look_ahead_is_an_error_as_terraform_counts(stack: Path) -> None:
    said = lgtm_deploy("plan", "nosuch", "--detailed-exitcode", folder=stack)

    assert said.code == 1
    assert said.complaint.startswith("Error: There is no plan 'nosuch'.")


def test_doctor_says_all_that_is_missing(stack: Path) -> None:
    said = lgtm_deploy("doctor", folder=stack, environment=KEYS | {"DOCKER_HOST": "unix:///nowhere.sock", "PATH": ""})

    lines = {line[6:].split()[0]: line[:4].strip() for line in said.out.splitlines()}
    assert said.code == 1
    assert said.err == ""
    assert lines == {
        "stack": "ok",
        "docker": "FAIL",
        "terraform": "FAIL",
        "account": "ok",
        "tempo": "FAIL",
        "lock": "ok",
    }
