"""From a plan file to a plan, and every fault with its place."""

from pathlib import Path

import pytest
from lgtm_deploy.steps.catalog import CATALOG

from lgtm_deploy.config import plan_file, stack_file
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.plan import Plan, RetryPolicy, Webhook
from tests.config.files import PLAN, STACK, lay_stack, place


def load(folder: Path, text: str = PLAN) -> Plan:
    file = folder / "plan.yaml"
    file.write_text(text)
    return plan_file.load(file, CATALOG, None)


def test_a_plan_is_read_as_written(tmp_path: Path) -> None:
    plan = load(tmp_path, PLAN + "    retry: {attempts: 2}\n    timeout: 30\n    title: init it\ntimeout: 120\n")

    init = plan.steps["init"]
    assert (plan.name, plan.services, plan.timeout, plan.on_failure) == ("small", ("tempo",), 120.0, "rollback")
    assert list(plan.steps) == ["look", "build", "init"]
    assert plan.steps["build"].needs == ("look",)
    assert (init.retry, init.timeout, init.title) == (RetryPolicy(attempts=2), 30.0, "init it")
    assert len(plan.digest) == 64


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

    assert place(refused).startswith("20:"), str(refused.value)


def test_a_word_that_no_program_can_be_given_is_pointed_at(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a word of a command cannot hold a NUL character") as refused:
        load(tmp_path, PLAN + 'hooks:\n  before:\n    - [say, it]\n    - [say, "a\\0b"]\n')

    assert place(refused).startswith("20:"), str(refused.value)


def test_hooks_are_lists_of_words(tmp_path: Path) -> None:
    plan = load(tmp_path, PLAN + "hooks:\n  before: [[echo, hello]]\n  failed: [[say, '1']]\n")

    assert plan.hooks.before == (("echo", "hello"),)
    assert plan.hooks.failed == (("say", "1"),)


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("schema: 1", "schema: 2", "1:1", "schema: input should be 1"),
        ("schema: 1\n", "", "1:1", "'schema' is missing"),
        ("name: small", "name: ''", "2:1", "name: string should match pattern"),
        ("services: [tempo]", "services: tempo", "3:1", "services: input should be a valid list"),
        ("services: [tempo]", "services: [tempo, 5]", "3:19", "services.1: input should be a valid string"),
        ("services: [tempo]", "services: [tempo, tempo]", "3:19", "'tempo' is here twice"),
        ("services: [tempo]", "services: []", "10:5", "the plan names no services"),
        ("steps:", "stpes:", "4:1", "'stpes' is not a key that belongs here (1 more)"),
        ("    needs: [look]", "    nedes: [look]", "11:5", "'nedes' is not a key that belongs here"),
        ("    needs: [look]", "    with_: {}", "11:5", "'with_' is not a key that belongs here"),
        ("    needs: [look]", "    timeout: soon", "11:5", "steps.build.timeout: input should be a valid number"),
        ("    needs: [look]", "    timeout: 0", "11:5", "steps.build.timeout: input should be greater than 0"),
        ("    needs: [look]", "    timeout: .nan", "11:5", "steps.build.timeout: input should be"),
        ("    needs: [look]", "    retry: {attempts: 0}", "11:13", "steps.build.retry.attempts: input should be"),
        ("    for_each: services", "    for_each: all", "10:5", "steps.build.for_each: input should be 'services'"),
        ("    uses: build-image\n", "", "8:3", "'uses' is missing"),
        ("  look:", "  look here:", "5:3", "steps.look here: string should match pattern"),
        ("uses: build-image", "uses: biuld-image", "9:5", "uses 'biuld-image', which is not a kind of step"),
        ("needs: [look]", "needs: [init, lok]", "11:19", "needs 'lok', which is not a step of this plan"),
        ("{root: alb}", "{root: alb, rot: x}", "16:23", "has no input 'rot'"),
        ("    with: {root: alb}\n", "", "14:3", "lacks its input 'root'"),
        ("{root: alb}", "{root: 5}", "16:12", "Input 'root' of step 'init' takes a text; got 5"),
        ("${{ each }}", "${{ secrets.x }}", "13:7", "'${{ secrets.x }}' is not an expression"),
        ("${{ each }}", "${{ steps.look.outputs.x }}", "13:7", "step 'look' has no output 'x'"),
        ("${{ each }}", "${{ steps.init.outputs.x }}", "13:7", "step 'init' does not come before 'build'"),
        ("${{ each }}", "${{ services }}", "13:7", "takes a text; 'services' is a list of texts"),
        ("{root: alb}", "{root: '${{ each }}'}", "16:12", "uses 'each' but has no 'for_each'"),
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


def test_a_circle_is_pointed_at_and_written_out(tmp_path: Path) -> None:
    circular = (
        PLAN.replace("    uses: preflight\n", "    uses: preflight\n    needs: [init]\n") + "    needs: [build]\n"
    )

    with pytest.raises(UsageError, match="need each other in a circle: ") as caught:
        load(tmp_path, circular)

    line = int(place(caught).partition(":")[0])
    assert "needs:" in circular.splitlines()[line - 1]


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("services: [tempo]", "services: [tempo, loki]", "3:19", "The stack has no service 'loki'. It has: tempo."),
        ("root: alb", "root: vpc", "16:12", "Environment 'prod' has no Terraform root 'vpc'. It has: alb."),
        ("service: ${{ each }}", "service: mimir", "13:7", "The stack has no service 'mimir'."),
    ],
)
def test_what_the_stack_has_not_is_pointed_at(tmp_path: Path, old: str, new: str, where: str, message: str) -> None:
    stack = stack_file.load(lay_stack(tmp_path, STACK), "prod")
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN.replace(old, new))

    with pytest.raises(UsageError) as caught:
        plan_file.load(file, CATALOG, stack)

    assert message in str(caught.value)
    assert place(caught) == where


def test_plans_of_ones_own_hide_bundled_ones(tmp_path: Path) -> None:
    assert plan_file.find("prefix-change", tmp_path).parent != tmp_path / "plans"

    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "prefix-change.yaml").write_text(PLAN)

    assert plan_file.find("prefix-change", tmp_path) == tmp_path / "plans" / "prefix-change.yaml"
    assert plan_file.find("./x/own.yaml", tmp_path) == Path("x/own.yaml")


def test_an_unknown_plan_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no plan 'prefix'. There are: .*prefix-change"):
        plan_file.find("prefix", tmp_path)


def test_variables_are_found_in_inputs_and_titles(tmp_path: Path) -> None:
    plan = load(tmp_path, PLAN.replace("root: alb", "root: '${{ vars.root }}'") + "    title: ${{ vars.ticket }}\n")

    assert plan_file.variables(plan) == {"root", "ticket"}


@pytest.mark.parametrize(
    ("allowance", "where", "message"),
    [
        ("{type: aws_lb, kind: x}", "9:30", "Input 'allow' of step 'plan' has no 'kind'."),
        ("{type: 1}", "9:16", "Input 'allow' of step 'plan' takes a text; got 1."),
        ("{name: x}", "9:15", "Input 'allow' of step 'plan' lacks its 'type'."),
        ("aws_lb", "9:15", "takes a map of type, name, actions, attributes, group, path; got 'aws_lb'"),
        ("{type: aws_lb, attributes: [a, 2]}", "9:46", "takes a text; got 2."),
    ],
)
def test_a_fault_within_a_map_is_pointed_at(tmp_path: Path, allowance: str, where: str, message: str) -> None:
    text = f"""schema: 1
name: allowing
steps:
  plan:
    uses: terraform-plan
    with:
      root: alb
      allow:
            - {allowance}
"""
    with pytest.raises(UsageError) as found:
        load(tmp_path, text)

    assert found.value.where.endswith(f"plan.yaml:{where}")
    assert message in found.value.message


def test_a_secret_variable_names_the_environment_variable_that_holds_it(tmp_path: Path) -> None:
    secret = PLAN.replace("{root: alb}", "{root: '${{ vars.root }}'}") + "secrets: {root: DEPLOY_ROOT}\n"

    assert load(tmp_path, secret).secrets == {"root": "DEPLOY_ROOT"}


@pytest.mark.parametrize(
    ("secrets", "step", "where", "complaint"),
    [
        ("{root: DEPLOY_ROOT}", "with: {root: alb}", "17:11", "No step takes the secret 'root'"),
        ("{root: 'A B'}", "with: {root: '${{ vars.root }}'}", "17:11", "root"),
        (
            "{root: DEPLOY_ROOT}",
            "with: {root: '${{ vars.root }}'}\n    title: init ${{ vars.root }}",
            "17:5",
            "cannot hold a secret",
        ),
    ],
)
def test_a_secret_that_would_be_told_is_pointed_at(
    tmp_path: Path, secrets: str, step: str, where: str, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint) as refused:
        load(tmp_path, PLAN.replace("with: {root: alb}", step) + f"secrets: {secrets}\n")

    assert place(refused) == where
