"""A package of one's own adds a recipe and a step kind by an entry point."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lgtm_deploy.config import plan_file
from lgtm_deploy.core.output import RecipeError
from lgtm_deploy.core.ports import HttpRequest, HttpResponse
from lgtm_deploy.recipes.registry import BUNDLED, recipes
from tests.steps.simulation import Simulation

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own-recipe"
PLAN = SAMPLE / "plans" / "release-and-page.yaml"


def install(folder: Path, entry: str) -> None:
    """What an installer lays down: the package, and its metadata."""
    shutil.copytree(SAMPLE / "lgtm_announce", folder / "lgtm_announce", dirs_exist_ok=True)
    metadata = folder / "lgtm_announce-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lgtm-announce\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text(f"[lgtm_deploy.recipes]\n{entry}\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "lgtm_announce"]:
        del sys.modules[name]


def test_its_plan_is_loaded_and_run_beside_bundled_steps(folder: Path) -> None:
    install(folder, "release-and-page = lgtm_announce.recipe:ReleaseAndPage")
    assert recipes().keys() - BUNDLED.keys() == {"release-and-page"}
    world = Simulation(folder, whole=True)
    world.plan = plan_file.load(PLAN, recipes(), world.stack)
    asked: list[HttpRequest] = []

    def page(question: HttpRequest) -> HttpResponse:
        asked.append(question)
        return HttpResponse(status=200, body="released: OPS-1")

    world.cloud.web["/lgtm"] = page
    assert world.plan.variables == {"ticket", "token"}
    assert world.graph().nodes["wait-page"].needs == ("probe[mimir]",)

    run = world.apply(variables={"ticket": "OPS-1", "token": "a-secret-of-the-team"})

    assert (run.verdict, run.reason) == ("deployed", "")
    assert asked[-1].headers["Authorization"] == "Bearer a-secret-of-the-team"


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("release = lgtm_announce.recipe:ReleaseAndPage", r"Two recipes have the name 'release'\. Rename"),
        ("mine = lgtm_announce.wait_page:WaitPage", r"'mine' \(lgtm_announce.wait_page:WaitPage\) is not a class"),
        ("mine = lgtm_announce.nowhere:Recipe", r"'mine' \(lgtm_announce.nowhere:Recipe\) cannot be loaded: No module"),
    ],
)
def test_an_entry_point_that_is_no_recipe_is_named(folder: Path, entry: str, complaint: str) -> None:
    install(folder, entry)

    with pytest.raises(RecipeError, match=complaint):
        recipes()


def test_the_sample_registers_what_the_test_registers() -> None:
    text = (SAMPLE / "pyproject.toml").read_text(encoding="utf-8")

    assert 'release-and-page = "lgtm_announce.recipe:ReleaseAndPage"' in text
