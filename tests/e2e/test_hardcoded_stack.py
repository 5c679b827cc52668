"""The main job and its rollback on a stack whose Terraform has no variable for the change.

Its task definitions are Terraform's, and a plain `terraform plan` shows no changes before, between and after.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.home import NAME_VARIABLE
from tests.conftest import Machine, silent
from tests.e2e.conftest import Checkout, Said

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "hardcoded-stack"
ROOTS = ("base", "alb", "ecs")
UNCHANGED = dict.fromkeys(ROOTS, 0)
BEFORE = {"tempo": "http://tempo.lgtm.internal:3200", "pyroscope": "http://pyroscope.lgtm.internal:4040"}
AFTER = {name: f"{url}/{name}" for name, url in BEFORE.items()}
IGNORED = "ignore_changes = [desired_count]"
# What Terraform itself keeps: its states and their locks.
OF_TERRAFORM = ("dynamodb", "s3")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a run on a checkout, its rollback and Terraform have said."""

    checkout: Checkout
    began: float
    applied: Said
    after: dict[str, int]
    sources: dict[str, str]
    back: Said
    plans: dict[str, int]
    old_sources: dict[str, str]

    def outputs(self, step: str) -> dict[str, str]:
        """The outputs of a step of the run."""
        ends = (each for each in self.applied.events if each["event"] == "StepSucceeded" and each["step"] == step)
        found: dict[str, str] = next(ends)["outputs"]
        return found


@pytest.fixture(scope="module")
def cloud(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A sandbox with the example's start state, and the checkout that brought it up."""
    from lgtm_deploy.config.stack_file import load
    from lgtm_deploy.sandbox.lifecycle import down, up

    name = f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-hardcoded"
    folder = tmp_path_factory.mktemp("hardcoded") / "clone"
    shutil.copytree(EXAMPLE, folder, symlinks=True, ignore=shutil.ignore_patterns(".lgtm-deploy", ".terraform*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAME_VARIABLE, name)
        try:
            yield Checkout(folder=folder, connection=up(load(folder / "lgtm-deploy.yaml", "sandbox"), name, silent))
        finally:
            down(machine.home, name, silent)


@pytest.fixture(scope="module")
def repository(cloud: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Checkout]:
    """Makes a repository with two commits: the start state, and the change. Nothing was applied in it."""

    def make(edit: Callable[[Checkout], None] = lambda _: None) -> Checkout:
        checkout = replace(cloud, folder=tmp_path_factory.mktemp("repository") / "stack")
        _lay(cloud.folder, checkout.folder)
        edit(checkout)
        _start_state(checkout.folder)
        _git(checkout.folder, "init", "--quiet")
        _commit(checkout.folder, "what runs")
        before = EXAMPLE / "start-state"
        for path in (each.relative_to(before) for each in before.rglob("*") if each.is_file()):
            shutil.copy2(EXAMPLE / path, checkout.folder / path)
        _commit(checkout.folder, "prefixes")
        return checkout

    return make


@pytest.fixture(scope="module")
def terraform(cloud: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], dict[str, int]]:
    """Plans each root plainly, as a person does; gives the exit codes of `terraform plan -detailed-exitcode`."""
    scratch = tmp_path_factory.mktemp("terraform")

    def plan(folder: Path) -> dict[str, int]:
        _lay(folder, scratch / "stack")
        codes = {}
        for name, root in _stack(folder).environment.terraform.items():
            here = scratch / "stack" / root.root
            data = {"TF_DATA_DIR": str(scratch / name)}
            backend = [f"-backend-config={each}" for each in root.backend_config]
            done = _run(here, cloud, "terraform", "init", "-input=false", *backend, **data)
            assert done.returncode == 0, done.stderr
            files = [f"-var-file={scratch / 'stack' / each}" for each in root.var_files]
            done = _run(
                here, cloud, "terraform", "plan", "-input=false", "-no-color", "-detailed-exitcode", *files, **data
            )
            codes[name] = done.returncode
            assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return codes

    return plan


@pytest.fixture(scope="module")
def there_and_back(
    terraform: Callable[[Path], dict[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Checkout], Told]:
    """Applies the change in a checkout, and rolls it back."""

    def run(checkout: Checkout) -> Told:
        began = time.time()
        applied = checkout.apply()
        after = terraform(checkout.folder)
        sources = checkout.data_sources()
        back = checkout.run("rollback", "last", "--env", "sandbox", "--yes", "--output", "json")
        start = tmp_path_factory.mktemp("start") / "stack"
        _lay(checkout.folder, start)
        _start_state(start)
        return Told(
            checkout=checkout,
            began=began,
            applied=applied,
            after=after,
            sources=sources,
            back=back,
            plans=terraform(start),
            old_sources=checkout.data_sources(),
        )

    return run


@pytest.fixture(scope="module")
def told(repository: Callable[..., Checkout], there_and_back: Callable[[Checkout], Told]) -> Told:
    return there_and_back(repository())


def test_the_change_is_deployed_and_terraform_has_nothing_to_change(told: Told) -> None:
    assert (told.applied.exit_code, told.applied.finished["verdict"]) == (0, "deployed"), told.applied.out
    assert told.after == UNCHANGED


def test_the_first_rollback_succeeds_and_terraform_has_nothing_to_change(told: Told) -> None:
    assert (told.back.exit_code, told.back.finished["verdict"]) == (0, "rolled-back"), told.back.out
    assert told.plans == UNCHANGED


def test_grafana_is_asked_for_its_data_sources_before_and_after(told: Told) -> None:
    assert told.outputs("data-sources")["data_sources"] == "loki ok -> ok, tempo ok -> ok, pyroscope ok -> ok"
    assert told.sources == {**told.sources, **AFTER}
    assert told.old_sources == {**told.sources, **BEFORE}


def test_one_deployment_is_started_per_service_and_none_of_the_others_is_touched(told: Told) -> None:
    records = told.checkout.records(told.began)
    applied = [each for each in records if each["at"] < told.began + told.applied.seconds]
    started = [each["service"] for each in applied if each["kind"] == "deployment" and each["to"] == "PENDING"]
    assert sorted(started) == ["grafana", "pyroscope", "tempo"]


def test_images_are_pushed_to_the_tags_that_the_variable_files_name(told: Told) -> None:
    assert told.outputs("push[tempo]")["reference"].endswith("/observability-tempo:2.9.0-2")
    assert told.outputs("push[pyroscope]")["reference"].endswith("/observability-pyroscope:2.0.4-1")


def test_the_preview_tells_the_way_back_who_else_deploys_and_what_becomes_of_profiles(told: Told) -> None:
    first = _git(told.checkout.folder, "rev-list", "--max-parents=0", "HEAD")[:8]
    assert f"rollback of Terraform root 'ecs': by revision {first}" in told.outputs("task-definitions")["told"]
    assert f"rollback of Terraform root 'alb': by revision {first}" in told.outputs("terraform-plan")["told"]
    preflight = "\n".join(told.outputs("preflight")["told"])
    assert "workflows: .github/workflows/deploy.yml:" in preflight
    assert "data: pyroscope runs 1.13.5-1 and will run 2.0.4, with another storage" in preflight


def test_live_task_definitions_are_refused_before_anything_changes(repository: Callable[..., Checkout]) -> None:
    checkout = repository(lambda each: each.edit("lgtm-deploy.yaml", "    task_definition: {terraform: ecs}\n", ""))
    began = time.time()

    said = checkout.apply()

    assert (said.exit_code, said.finished["verdict"]) == (2, "refused"), said.out
    reason = said.finished["reason"]
    for name in ("tempo", "pyroscope"):
        assert f"undo the deployment of {name}. Add task_definition to `ignore_changes` at terraform/modules/" in reason
        assert f"or set `task_definition: {{terraform: ecs}}` of {name} in the stack file" in reason
    # Grafana's image stays as it is: only its variables would be wrong.
    assert f"The running task definition of grafana has TEMPO_URL={BEFORE['tempo']}" in reason
    assert "A copy of the live task definition keeps it" in reason
    assert [each for each in checkout.requests(began) if each["service"] not in OF_TERRAFORM] == []


@pytest.mark.acceptance
def test_in_a_plain_clone_the_files_that_were_applied_before_are_the_way_back(
    cloud: Checkout, there_and_back: Callable[[Checkout], Told]
) -> None:
    told = there_and_back(cloud)

    assert (told.applied.exit_code, told.applied.finished["verdict"]) == (0, "deployed"), told.applied.out
    assert (told.back.exit_code, told.back.finished["verdict"]) == (0, "rolled-back"), told.back.out
    assert (told.after, told.plans) == (UNCHANGED, UNCHANGED)


@pytest.mark.acceptance
def test_where_terraform_ignores_task_definitions_the_run_deploys_its_newest_revision(
    repository: Callable[..., Checkout], there_and_back: Callable[[Checkout], Told]
) -> None:
    wanted = "ignore_changes = [task_definition, desired_count]"

    told = there_and_back(repository(lambda each: each.edit("terraform/modules/service/main.tf", IGNORED, wanted)))

    assert (told.applied.exit_code, told.applied.finished["verdict"]) == (0, "deployed"), told.applied.out
    assert (told.back.exit_code, told.back.finished["verdict"]) == (0, "rolled-back"), told.back.out
    assert (told.after, told.plans) == (UNCHANGED, UNCHANGED)
    assert (told.sources, told.old_sources) == ({**told.sources, **AFTER}, {**told.sources, **BEFORE})


@cache
def _stack(folder: Path) -> Stack:
    from lgtm_deploy.config.stack_file import load

    return load(folder / "lgtm-deploy.yaml", "sandbox")


def _lay(source: Path, target: Path) -> None:
    """Copies a stack's files; what was there before goes."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(".git", ".lgtm-deploy"))


def _start_state(folder: Path) -> None:
    shutil.copytree(folder / "start-state", folder, dirs_exist_ok=True)


def _git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _commit(folder: Path, subject: str) -> None:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", subject)


def _run(folder: Path, cloud: Checkout, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **cloud.connection.environment, **environment}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
