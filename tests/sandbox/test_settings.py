"""Homes, names, connections and the settings that keep the user's own files out of it."""

import hashlib
import re
import socket
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import NotFoundError, UsageError
from lgtm_deploy.sandbox import child, installation, settings
from lgtm_deploy.sandbox.connection import Connection, connect, save
from lgtm_deploy.sandbox.home import Home, chosen_name, home_for
from lgtm_deploy.sandbox.image_choice import BaseImage, Choice, Source


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(path=tmp_path)


def connection(home: Home) -> Connection:
    return Connection(
        name="a",
        endpoint="http://127.0.0.1:21000",
        region="eu-west-1",
        account="123456789012",
        load_balancer_url="http://127.0.0.1:21001",
        docker_host="unix:///x",
        build_args={"tempo": {"BASE_REGISTRY": "lgtm-standin"}},
        environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:21000"},
        records=home.place("a").records,
        choice=Choice(
            images={"tempo": BaseImage(source=Source.STANDIN, reference="docker.io/grafana/tempo:2.9.0")},
            reason="stand-ins, as asked",
            factor=10.0,
        ),
    )


def test_the_home_lies_beside_the_stack_file_unless_one_is_named(tmp_path: Path) -> None:
    assert home_for(tmp_path, {}).path == tmp_path / ".lgtm-deploy" / "sandbox"
    assert home_for(tmp_path, {"LGTM_DEPLOY_SANDBOX_HOME": "/elsewhere"}).path == Path("/elsewhere")
    assert (chosen_name({}), chosen_name({"LGTM_DEPLOY_SANDBOX": "b"})) == ("default", "b")


def test_the_same_name_in_two_homes_makes_two_labels(tmp_path: Path) -> None:
    assert Home(path=tmp_path / "a").place("x").label != Home(path=tmp_path / "b").place("x").label


@pytest.mark.parametrize("name", ["", "A", "a/b", "../x", "-a", "a" * 40])
def test_a_name_that_docker_would_not_take_is_refused(home: Home, name: str) -> None:
    with pytest.raises(UsageError, match="no name for a sandbox"):
        home.place(name)


def test_a_sandbox_that_is_not_up_is_named_with_the_way_to_start_it(home: Home) -> None:
    with pytest.raises(NotFoundError, match=r"'a' is not up. Start it with `lgtm-deploy sandbox up`"):
        connect(home, "a")


def test_a_connection_without_its_process_is_not_up(home: Home) -> None:
    save(home.place("a"), connection(home))
    with pytest.raises(NotFoundError):
        connect(home, "a")


def test_a_connection_is_read_as_it_was_saved(home: Home) -> None:
    with socket.socket(socket.AF_UNIX) as engine, tempfile.TemporaryDirectory() as short:
        engine.bind(f"{short}/docker.sock")
        engine.listen()
        listening = replace(connection(home), docker_host=f"unix://{short}/docker.sock")
        save(home.place("a"), listening)
        child.record_self(home.place("a").process)
        assert connect(home, "a") == listening


def test_a_sandbox_whose_engine_does_not_listen_is_not_up(home: Home, tmp_path: Path) -> None:
    save(home.place("a"), replace(connection(home), docker_host=f"unix://{tmp_path}/none.sock"))
    child.record_self(home.place("a").process)
    with pytest.raises(NotFoundError, match="its Docker Engine does not answer"):
        connect(home, "a")


def test_a_connection_that_another_version_saved_is_not_up(home: Home) -> None:
    save(home.place("a"), connection(home))
    child.record_self(home.place("a").process)
    text = home.place("a").connection.read_text().replace('"choice"', '"choices"')
    home.place("a").connection.write_text(text)
    with pytest.raises(NotFoundError):
        connect(home, "a")


def test_a_named_mirror_wins_over_the_one_that_the_set_up_found(home: Home, tmp_path: Path) -> None:
    found = tmp_path / "found"
    found.mkdir()
    home.terraform.mkdir()
    (home.terraform / "mirror").write_text(str(found))
    assert settings.provider_mirror(home, {}) == str(found)
    assert settings.provider_mirror(home, {"LGTM_DEPLOY_PROVIDER_MIRROR": "/mine"}) == "/mine"
    found.rmdir()
    assert settings.provider_mirror(home, {}) == ""


def test_without_a_mirror_terraform_looks_where_it_always_does(tmp_path: Path) -> None:
    assert "provider_installation" not in settings.cli_configuration(tmp_path, "")
    assert 'path = "/mirror"' in settings.cli_configuration(tmp_path, "/mirror")


def test_no_file_of_the_user_is_named_in_the_environment(home: Home) -> None:
    given = settings.client_environment(home, endpoint="http://e", region="eu-west-1", docker_host="unix:///x")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "TF_CLI_CONFIG_FILE"):
        assert Path(given[name]).is_file()
        assert Path(given[name]).is_relative_to(home.path)
    assert (Path(given["DOCKER_CONFIG"]) / "config.json").read_text() == "{}\n"


def test_every_requirement_of_ministack_is_pinned_and_hashed() -> None:
    text = installation.REQUIREMENTS.read_text()
    requirements = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert all("==" in line for line in requirements)
    assert "://" not in text
    for block in re.split(r"\n(?=[a-z])", text):
        assert "--hash=sha256:" in block


def test_ministack_is_installed_anew_when_its_requirements_change(home: Home) -> None:
    digest = hashlib.sha256(installation.REQUIREMENTS.read_bytes()).hexdigest()
    assert digest[:8] in str(installation.interpreter(home))
