"""Two services that both move their health check in one run: Pyroscope, and an HTTP server of no known kind."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lgtm_deploy.config.plan_file import find
from lgtm_deploy.config.stack_file import load
from lgtm_deploy.sandbox.home import NAME_VARIABLE
from lgtm_deploy.sandbox.lifecycle import down, up
from tests.conftest import Machine, silent
from tests.e2e.conftest import EXAMPLE, Checkout, Said
from tests.e2e.facts import fewest_healthy, first, killed_by_checks
from tests.shim.cloud import compile_server

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance, pytest.mark.timeout(600)]

MOVED = ("pyroscope", "portal")
# Of the sandbox's services, in seconds.
GRACE = 120
STACK, ROOTS = "lgtm-deploy.yaml", "terraform/environments/sandbox"
SERVICE = """
  portal:
    kind: other
    context: dockerfiles/portal
    repository: lgtm-portal
    ecs_service: lgtm-${{ env }}-portal
    port: 8080
    target_group: lgtm-${{ env }}-portal-tg
    prefix: /portal
    health: {path: /portal/ready, body: fine, variable: portal_health_check_path}
    paths: {moves: [/ready, /list]}
    probes: [{path: /portal/list, body: fine}]

environments:
"""
TARGET_GROUP = """
    portal = {
      port              = 8080
      health_check_path = var.portal_health_check_path
      priority          = 50
      paths             = ["/portal/*"]
    }
  }
}

output "dns_name" {"""


def add_portal(checkout: Checkout) -> None:
    """The service as it runs before the change, in all files of the stack."""
    context = checkout.folder / "dockerfiles/portal"
    context.mkdir()
    compile_server(context)
    checkout.edit(STACK, "\nenvironments:\n", SERVICE)
    checkout.edit(f"{ROOTS}/20-ecr/main.tf", '"pyroscope"]', '"pyroscope", "portal"]')
    checkout.edit(
        f"{ROOTS}/60-ecs/main.tf", "pyroscope = [4040, 4041]\n", "pyroscope = [4040, 4041]\n    portal = [8080]\n"
    )
    checkout.edit(f"{ROOTS}/50-alb/main.tf", '\n  }\n}\n\noutput "dns_name" {', TARGET_GROUP)
    serve_under(checkout, "")


def serve_under(checkout: Checkout, prefix: str) -> None:
    """Commits an image that answers under the prefix, and the health check that goes with it."""
    routes = " ".join(f"{prefix}{path}=200" for path in ("/ready", "/list"))
    dockerfile = f'FROM scratch\nCOPY server /server\nENV MARK=fine ROUTES="{routes}"\nENTRYPOINT ["/server"]\n'
    (checkout.folder / "dockerfiles/portal/Dockerfile").write_text(dockerfile, encoding="utf-8")
    variable = f'variable "portal_health_check_path" {{\n  type    = string\n  default = "{prefix}/ready"\n}}\n'
    (checkout.folder / ROOTS / "50-alb/portal.tf").write_text(variable, encoding="utf-8")


def add_to_plan(checkout: Checkout) -> None:
    text = find("prefix-change", checkout.folder).read_text(encoding="utf-8")
    (checkout.folder / "plans").mkdir()
    added = text.replace("services: [tempo, pyroscope]", "services: [tempo, pyroscope, portal]")
    assert added != text
    (checkout.folder / "plans/prefix-change.yaml").write_text(added, encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Release:
    checkout: Checkout
    began: float
    ended: float
    before: dict[str, dict[str, str]]
    said: Said


@pytest.fixture(scope="module")
def release(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A sandbox of its own, with a service that the example does not have."""
    folder: Path = tmp_path_factory.mktemp("two") / "lgtm-stack"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".lgtm-deploy", ".terraform"))
    name = f"two-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAME_VARIABLE, name)
        try:
            add_portal(Checkout(folder=folder, connection=None))  # type: ignore[arg-type]
            checkout = Checkout(folder=folder, connection=up(load(folder / STACK, "sandbox"), name, silent))
            serve_under(checkout, "/portal")
            add_to_plan(checkout)
            before = checkout.status()
            began = time.time()
            said = checkout.apply()
            yield Release(checkout=checkout, began=began, ended=time.time(), before=before, said=said)
        finally:
            down(machine.home, name, silent)


def test_both_health_checks_move_and_each_grace_period_is_held_and_restored(release: Release) -> None:
    assert release.said.exit_code == 0, release.said.out + release.said.err
    assert release.said.finished["verdict"] == "deployed"
    status = release.checkout.status()
    assert {name: status[name]["path"] for name in (*MOVED, "tempo")} == {
        "pyroscope": "/pyroscope/ready",
        "portal": "/portal/ready",
        "tempo": "/ready",
    }
    [chosen] = [
        each for each in release.said.events if each["event"] == "StepSucceeded" and each["step"] == "choose-strategy"
    ]
    sequences = {"tempo": "direct", "pyroscope": "grace-hold", "portal": "grace-hold"}
    assert chosen["outputs"]["sequences"] == sequences
    grace = sorted(
        each["identifiers"]["healthCheckGracePeriodSeconds"]
        for each in release.checkout.requests(release.began, "UpdateService")
        if "healthCheckGracePeriodSeconds" in each["identifiers"]
    )
    assert grace[:2] == [GRACE, GRACE]
    assert (len(grace), all(held > 1800 for held in grace[2:])) == (4, True)


def test_images_come_first_and_nobody_loses_a_target(release: Release) -> None:
    records = release.checkout.records(release.began)
    flip = first(records, "request", action="ModifyTargetGroup")["at"]
    for service in MOVED:
        name = f"lgtm-sandbox-{service}"
        started = [each for each in records if each["kind"] == "deployment" and each["to"] == "PENDING"]
        assert [each["service"] for each in started].count(name) == 1
        assert first(records, "task", service=name, to="RUNNING")["at"] < flip
    fewest = fewest_healthy(release.checkout.records(), release.began, release.ended)
    assert (len(fewest), min(fewest.values())) == (6, 1), fewest
    assert killed_by_checks(records) == []


def test_both_come_back_when_the_run_is_undone(release: Release) -> None:
    began = time.time()

    back = release.checkout.run("rollback", "last", "--env", "sandbox", "--yes", "--output", "json")

    assert back.exit_code == 0, back.out + back.err
    status = release.checkout.status()
    for service in (*MOVED, "tempo"):
        for column in ("digest", "path", "targets"):
            assert status[service][column] == release.before[service][column]
    assert min(fewest_healthy(release.checkout.records(), began, time.time()).values()) >= 1
