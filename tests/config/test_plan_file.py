"""From a plan file to a plan, and every fault with its place."""

from pathlib import Path

import pytest

from lgtm_deploy.config import plan_file, stack_file
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.guard import Allowance
from lgtm_deploy.core.plan import Plan, RetryPolicy, Webhook
from lgtm_deploy.core.recipe import build
from lgtm_deploy.recipes.registry import BUNDLED
from tests.config.files import PLAN, STACK, lay_stack, place
from tests.conftest import EXAMPLE


def load(folder: Path, text: str = PLAN) -> Plan:
    file = folder / "plan.yaml"
    file.write_text(text)
    return plan_file.load(file, BUNDLED, None)


def test_a_plan_is_read_as_written(tmp_path: Path) -> None:
    more = "timeout: 120\ntimeouts: {push: 30}\nretries: {push: {attempts: 2}}\n"
    plan = load(tmp_path, PLAN + more)

    assert (plan.name, plan.changed, plan.timeout, plan.on_failure) == ("small", ("tempo",), 120.0, "rollback")
    assert len(plan.digest) == 64
    nodes = build(plan, None).nodes
    assert (nodes["push[tempo]"].retry, nodes["push[tempo]"].timeout) == (RetryPolicy(attempts=2), 30.0)
    assert nodes["wait-for-tasks[tempo]"].timeout == 600


def test_a_hook_may_be_a_url_or_name_the_variable_that_holds_it(tmp_path: Path) -> None:
    urls = "[{url: 'https://hooks.example.com/a'}, {url_env: SLACK}, [say, back]]"
    plan = load(tmp_path, PLAN + f"hooks:\n  rollback: {urls}\n  timeout: 5\n")

    assert plan.hooks.rollback == (
        Webhook(url="https://hooks.example.com/a"),
        Webhook(url_env="SLACK"),
        ("say", "back"),
    )
    assert plan.hooks.timeout == 5.0


@pytest.mark.parametrize(
    "hook", ["{url: 'ftp://x'}", "{url: 'https://x', url_env: X}", "{}", "{url_env: 'a b'}", "[]", "say it", "{uri: x}"]
)
def test_a_hook_that_is_neither_is_pointed_at(tmp_path: Path, hook: str) -> None:
    with pytest.raises(UsageError) as refused:
        load(tmp_path, PLAN + f"hooks:\n  rollback:\n    - [say, it]\n    - {hook}\n")

    assert place(refused).startswith("11:"), str(refused.value)


def test_a_word_that_no_program_can_be_given_is_pointed_at(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a word of a command cannot hold a NUL character") as refused:
        load(tmp_path, PLAN + 'hooks:\n  before:\n    - [say, it]\n    - [say, "a\\0b"]\n')

    assert place(refused).startswith("11:"), str(refused.value)


def test_hooks_are_lists_of_words(tmp_path: Path) -> None:
    plan = load(tmp_path, PLAN + "hooks:\n  before: [[echo, hello]]\n  failed: [[say, '1']]\n")

    assert plan.hooks.before == (("echo", "hello"),)
    assert plan.hooks.failed == (("say", "1"),)


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("schema: 2", "schema: 3", "1:1", "schema: input should be 2"),
        ("schema: 2\n", "", "1:1", "'schema' is missing"),
        ("name: small", "name: ''", "2:1", "name: string should match pattern"),
        ("uses: health-check-migration\n", "", "1:1", "'uses' is missing. Name a recipe: health-check-migration,"),
        ("uses: health-check-migration", "uses: relase", "3:1", "'relase' is not a recipe. There are: health-check"),
        ("services: [tempo]", "services: tempo", "4:1", "services: input should be a valid"),
        ("services: [tempo]", "services: [tempo, 5]", "4:19", "services.1: input should be a valid string"),
        ("services: [tempo]", "services: [tempo, tempo]", "4:19", "'tempo' is here twice"),
        ("services: [tempo]", "services: []", "4:1", "services: "),
        ("services: [tempo]", "services: [tempo]\ndependents: [tempo]", "5:14", "'tempo' is here twice"),
        ("services:", "sevrices:", "4:1", "'sevrices' is not a key that belongs here (1 more)"),
        ("  - root: alb\n", "  - rot: alb\n", "6:5", "'rot' is not a key that belongs here"),
        ("allow: [health_check.path]", "allow: [5]", "7:13", "terraform.0.allow.0"),
        ("allow: [health_check.path]", "allow: [{name: x}]", "7:13", "'type' is missing"),
        ("allow: [health_check.path]", "allow: [{type: x, kind: y}]", "7:23", "'kind' is not a key"),
        ("allow: [health_check.path]", "variables: {password: x y}", "7:17", "string should match pattern"),
        ("name: small", "name: small\nstrategies: [slow]", "3:14", "strategies.0: input should be 'direct'"),
        ("name: small", "name: small\nstrategies: []", "3:1", "strategies: "),
        ("name: small", "name: small\ntimeout: soon", "3:1", "timeout: input should be a valid number"),
        ("name: small", "name: small\ntimeout: .nan", "3:1", "timeout: input should be"),
        ("name: small", "name: small\ntimeouts: {push: 0}", "3:12", "timeouts.push: input should be greater than 0"),
        ("name: small", "name: small\ntimeouts: {psuh: 5}", "3:12", "The recipe has no step 'psuh'. There are: pre"),
        ("name: small", "name: small\nretries: {push: {attempts: 0}}", "3:18", "retries.push.attempts: input"),
        ("name: small", "name: small\nretries: {psuh: {}}", "3:11", "The recipe has no step 'psuh'"),
        ("name: small", "name: small\nvars: {x: y}", "3:8", "No step takes the variable 'x'. There are: none."),
        ("name: small", "name: small\nsecrets: {x: Y}", "3:11", "No step takes the secret 'x'"),
        ("name: small", "name: small\nsecrets: {x: A B}", "3:11", "secrets.x: string should match pattern"),
        ("name: small", "name: small\nsteps: {}", "3:1", "'steps' is not a key that belongs here"),
    ],
)
def test_a_fault_is_pointed_at(tmp_path: Path, old: str, new: str, where: str, message: str) -> None:
    assert old in PLAN

    with pytest.raises(UsageError) as caught:
        load(tmp_path, PLAN.replace(old, new, 1))

    assert message in str(caught.value)
    assert place(caught) == where
    assert str(caught.value).startswith(f"{tmp_path / 'plan.yaml'}:{where}: ")
    assert "\n" not in str(caught.value)


def test_a_plan_file_of_schema_1_is_answered_with_what_to_write_instead(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, "name: old\nschema: 1\nsteps: {look: {uses: preflight}}\n")

    assert place(caught) == "2:1"
    assert str(caught.value).partition(":2:1: ")[2] == (
        "a plan file of schema 1 wires its steps, which recipes do now. Write `schema: 2`, `uses:"
        " health-check-migration`, and services, dependents, terraform and strategies in place of coupled,"
        " allow_sequence and steps; see plans/prefix-change.yaml."
    )


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("services: [tempo]", "services: [tempo, loki]", "4:19", "The stack has no service 'loki'. It has: tempo."),
        ("name: small", "name: small\ndependents: [mimir]", "3:14", "The stack has no service 'mimir'."),
        ("root: alb", "root: vpc", "6:5", "Environment 'prod' has no Terraform root 'vpc'. It has: alb."),
    ],
)
def test_what_the_stack_has_not_is_pointed_at(tmp_path: Path, old: str, new: str, where: str, message: str) -> None:
    stack = stack_file.load(lay_stack(tmp_path, STACK), "prod")
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN.replace(old, new))

    with pytest.raises(UsageError) as caught:
        plan_file.load(file, BUNDLED, stack)

    assert message in str(caught.value)
    assert place(caught) == where


def test_a_dependent_whose_own_health_check_terraform_moves_is_no_dependent(tmp_path: Path) -> None:
    stack = stack_file.load(EXAMPLE / "lgtm-deploy.yaml", "prod")
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN.replace("name: small", "name: small\ndependents: [grafana, pyroscope]"))

    with pytest.raises(UsageError, match="'pyroscope' is a dependent, but Terraform moves its own health") as caught:
        plan_file.load(file, BUNDLED, stack)

    assert place(caught) == "3:23"


def test_plans_of_ones_own_hide_bundled_ones(tmp_path: Path) -> None:
    assert plan_file.find("prefix-change", tmp_path).parent != tmp_path / "plans"

    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "prefix-change.yaml").write_text(PLAN)

    assert plan_file.find("prefix-change", tmp_path) == tmp_path / "plans" / "prefix-change.yaml"
    assert plan_file.find("./x/own.yaml", tmp_path) == Path("x/own.yaml")


def test_an_unknown_plan_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no plan 'prefix'. There are: .*prefix-change"):
        plan_file.find("prefix", tmp_path)


def test_variables_and_secrets_are_those_that_the_recipe_takes(tmp_path: Path) -> None:
    takes = PLAN.replace("root: alb", "root: alb\n    variables: {grafana_password: password, zone: zone}")
    plan = load(tmp_path, takes + "secrets: {password: DEPLOY_PASSWORD}\nvars: {zone: a}\n")

    assert plan.variables == {"password", "zone"}
    assert (plan.secrets, plan.values) == ({"password": "DEPLOY_PASSWORD"}, {"zone": "a"})


def test_an_attribute_that_the_migration_raises_is_no_committed_change(tmp_path: Path) -> None:
    more = PLAN.replace("[health_check.path]", "[health_check.path, health_check.unhealthy_threshold]")
    nodes = build(load(tmp_path, more), None).nodes

    (committed,) = nodes["terraform-plan"].inputs.allow
    (raised,) = nodes["terraform-replan"].inputs.allow
    assert committed.attributes == ("health_check.path",)
    assert raised.attributes == ("health_check.path", "health_check.unhealthy_threshold")


def test_other_types_are_allowed_as_they_are_written(tmp_path: Path) -> None:
    rule = "{type: aws_lb_listener_rule, actions: [create], name: 'module.*'}"
    nodes = build(load(tmp_path, PLAN.replace("[health_check.path]", f"[{rule}]")), None).nodes

    assert nodes["terraform-plan"].inputs.allow == (
        Allowance(type="aws_lb_listener_rule", actions=("create",), name="module.*"),
    )


def test_bundled_plans_are_short_and_hold_no_expressions() -> None:
    files = [file for file in plan_file.available(Path("/nowhere")).values() if plan_file.comes_along(file)]
    lines = {file.name: file.read_text(encoding="utf-8").splitlines() for file in files}

    assert {"prefix-change.yaml", "prefix-change-any-order.yaml", "prefix-rewrite.yaml"} <= lines.keys()
    assert max(map(len, lines.values())) <= 25
    assert sum(map(len, lines.values())) <= 60
    assert not any("${{" in line for each in lines.values() for line in each)
    for file in files:
        assert build(plan_file.load(file, BUNDLED), None).nodes
