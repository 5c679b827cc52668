"""A stack file that declares no path of Tempo, and a new Tempo that cannot read: refused before the push."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lgtm_deploy.core.stack import Stack
from tests.conftest import Machine
from tests.e2e.conftest import Checkout
from tests.e2e.night import cases
from tests.e2e.night.seen import changing
from tests.e2e.night.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

STACK, TEMPO = "lgtm-deploy.yaml", "dockerfiles/tempo"
BROKEN_READ = Path(__file__).with_name("images") / "broken_read.py"
Break = Callable[[Checkout], None]


def declare_nothing(checkout: Checkout) -> None:
    file = checkout.folder / STACK
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    for declared in ("expects", "probes", "paths"):
        del content["services"]["tempo"][declared]
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def one_path_answers_500(checkout: Checkout) -> None:
    shutil.copy2(BROKEN_READ, checkout.folder / TEMPO)
    checkout.edit(f"{TEMPO}/config/tempo-config.yaml", "http_listen_port: 3200", "http_listen_port: 3201")
    dockerfile = checkout.folder / TEMPO / "Dockerfile"
    added = 'COPY broken_read.py /broken_read.py\nENTRYPOINT ["/opt/standin/bin/python3", "-IS", "/broken_read.py"]\n'
    dockerfile.write_text(dockerfile.read_text(encoding="utf-8") + added, encoding="utf-8")


def no_path_reads(checkout: Checkout) -> None:
    cases.tempo_under_path_prefix(checkout, "2.3.1")


@pytest.fixture(scope="module")
def base_images(today: Checkout, machine: Machine, example: Stack) -> None:
    World(example, today.connection).pull(machine.home)


@pytest.mark.parametrize(
    ("breaking", "named"),
    [
        (one_path_answers_500, ("/api/search/tags", "500 (boom)")),
        (no_path_reads, ("/api/search", "500 (upstream: (404)", "http_api_prefix")),
    ],
    ids=["one path answers 500", "no path reads"],
)
def test_a_read_path_that_answers_500_is_refused_although_the_stack_file_does_not_name_it(
    base_images: None, checkout: Checkout, breaking: Break, named: tuple[str, ...]
) -> None:
    breaking(checkout)
    declare_nothing(checkout)

    began = time.time()
    said = checkout.apply()

    assert said.exit_code == 2, said.out + said.err
    assert said.finished["verdict"] == "refused"
    reason = said.finished["reason"]
    assert len(reason.splitlines()) == 1
    assert [each for each in ("tempo", *named) if each not in reason] == [], reason
    assert changing(checkout, began) == [], "refused before the push"
