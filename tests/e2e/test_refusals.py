"""Input that cannot work: one clear line, exit code 2, and nothing changed."""

import time
from collections.abc import Callable

import pytest

from tests.e2e.conftest import EXAMPLE, Checkout, Said

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

DATA_SOURCES = "dockerfiles/grafana/config/provisioning/datasources/datasources.yaml"
Break = Callable[[Checkout], None]


def wrong_account(checkout: Checkout) -> None:
    checkout.edit("lgtm-deploy.yaml", '"000000000000"', '"999999999999"')


def no_repository(checkout: Checkout) -> None:
    checkout.edit("lgtm-deploy.yaml", "repository: lgtm-tempo", "repository: lgtm-temporary")


def no_service(checkout: Checkout) -> None:
    checkout.edit("lgtm-deploy.yaml", "ecs_service: lgtm-${{ env }}-tempo", "ecs_service: lgtm-${{ env }}-tmpo")


def no_target_group(checkout: Checkout) -> None:
    checkout.edit("lgtm-deploy.yaml", "target_group: lgtm-${{ env }}-tempo-tg", "target_group: lgtm-${{ env }}-tempo")


def no_cluster(checkout: Checkout) -> None:
    checkout.edit("lgtm-deploy.yaml", "cluster: lgtm-sandbox-cluster", "cluster: lgtm-sandbox")


def dockerfile_that_does_not_build(checkout: Checkout) -> None:
    checkout.edit("dockerfiles/tempo/Dockerfile", "COPY config/tempo-config.yaml", "COPY config/no-such-file.yaml")


def dockerfile_that_is_none(checkout: Checkout) -> None:
    (checkout.folder / "dockerfiles/tempo/Dockerfile").write_text("FORM scratch\n", encoding="utf-8")


def base_image_that_does_not_exist(checkout: Checkout) -> None:
    checkout.edit("lgtm-deploy.yaml", 'version: "2.9.0"', 'version: "2.9.0-20260116"')


def terraform_that_does_not_validate(checkout: Checkout) -> None:
    extra = checkout.folder / "terraform/environments/sandbox/50-alb/extra.tf"
    extra.write_text('resource "aws_lb_target_group" "x" {\n  nonsense = true\n}\n', encoding="utf-8")


CASES: list[tuple[Break, str]] = [
    (wrong_account, "account"),
    (no_repository, "lgtm-temporary"),
    (no_service, "lgtm-sandbox-tmpo"),
    (no_target_group, "lgtm-sandbox-tempo"),
    (no_cluster, "lgtm-sandbox"),
    (dockerfile_that_does_not_build, "no-such-file.yaml"),
    (dockerfile_that_is_none, "FROM"),
    (base_image_that_does_not_exist, "2.9.0-20260116"),
    (terraform_that_does_not_validate, "nonsense"),
]


def reason(said: Said) -> str:
    """What the person is told: the verdict's reason, or the line on standard error of a run that did not begin."""
    return str(said.finished["reason"]) if said.out else said.err


@pytest.mark.parametrize(("breaking", "named"), CASES, ids=[case[0].__name__ for case in CASES])
def test_it_is_refused_with_one_line_that_names_the_cause(checkout: Checkout, breaking: Break, named: str) -> None:
    breaking(checkout)
    began = time.time()
    said = checkout.apply()

    assert said.exit_code == 2, said.out + said.err
    assert named in reason(said)
    assert "Traceback" not in said.err
    assert len(reason(said).strip().splitlines()) == 1
    if said.out:
        assert said.finished["verdict"] == "refused"
    changing = [each for each in checkout.requests(began) if each["service"] not in ("dynamodb", "s3")]
    assert changing == []


def a_data_source_that_stays_behind(checkout: Checkout) -> None:
    checkout.edit(DATA_SOURCES, "http://tempo:3200/tempo", "http://tempo:3200")


def a_plan_without_grafana(checkout: Checkout) -> None:
    text = (EXAMPLE.parents[1] / "plans/prefix-change.yaml").read_text(encoding="utf-8")
    folder = checkout.folder / "plans"
    folder.mkdir()
    (folder / "prefix-change.yaml").write_text(
        text.replace("dependents: [grafana]", "dependents: []"), encoding="utf-8"
    )


DEPENDENTS: list[tuple[Break, str]] = [
    (a_data_source_that_stays_behind, f"{DATA_SOURCES}:29 says http://tempo:3200: its paths move under /tempo"),
    (a_plan_without_grafana, "add it to the plan's `dependents`"),
]


@pytest.mark.parametrize(("breaking", "named"), DEPENDENTS, ids=[case[0].__name__ for case in DEPENDENTS])
def test_who_names_a_path_that_moves_is_found_before_it_breaks(
    today: Checkout, checkout: Checkout, breaking: Break, named: str
) -> None:
    breaking(checkout)
    began = time.time()
    said = checkout.run("plan", "prefix-change", "--env", "sandbox")

    assert said.exit_code == 2, said.out + said.err
    assert named in said.err
    assert [each for each in checkout.requests(began) if each["service"] not in ("dynamodb", "s3")] == []


def test_everything_that_is_missing_is_said_at_once(today: Checkout, checkout: Checkout) -> None:
    no_target_group(checkout)
    a_data_source_that_stays_behind(checkout)
    checkout.edit("lgtm-deploy.yaml", "target_group: lgtm-${{ env }}-pyroscope-tg", "target_group: nowhere")
    said = checkout.run("plan", "prefix-change", "--env", "sandbox")

    assert said.exit_code == 2
    assert "lgtm-sandbox-tempo" in said.err
    assert "nowhere" in said.err
    assert f"{DATA_SOURCES}:29" in said.err


def test_two_at_once_do_not_meet(checkout: Checkout) -> None:
    """The lock: one holds the environment, the other is told who."""
    from lgtm_deploy.adapters.clock import SystemClock
    from lgtm_deploy.cli.wiring import state_folder
    from lgtm_deploy.storage.local import LocalLock

    lock = LocalLock(state_folder(checkout.folder) / "state.db", SystemClock())
    lease = lock.take("sandbox", "7f3a91c2", "ci@runner-4")
    try:
        said = checkout.apply()
        looked = checkout.run("plan", "prefix-change", "--env", "sandbox")
    finally:
        lock.release(lease)
    assert looked.exit_code == 0, looked.err
    assert "held by run 7f3a91c2" in looked.out
    assert said.exit_code == 4
    assert "7f3a91c2" in said.err
    assert said.finished["verdict"] == "locked"


def test_doctor_finds_everything_in_order(checkout: Checkout) -> None:
    said = checkout.run("doctor", "--env", "sandbox")
    assert said.exit_code == 0, said.out
    assert "FAIL" not in said.out
    for check in ("docker", "terraform", "account", "tempo", "pyroscope", "lock"):
        assert check in said.out


def test_doctor_says_what_is_wrong(checkout: Checkout) -> None:
    no_service(checkout)
    said = checkout.run("doctor", "--env", "sandbox")
    assert said.exit_code == 1
    assert "FAIL  tempo" in said.out
