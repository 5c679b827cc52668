"""Terraform files: values that they say themselves, and the ECS services that they declare."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.core.terraform_files import UNKNOWN, DeclaredService, NotHclError, RootFiles, declared_services
from lgtm_deploy.core.terraform_files.hcl import parsed
from lgtm_deploy.core.terraform_files.values import Scope, Template, fit

SERVICE = """
resource "aws_ecs_service" "this" {{
  name            = {name}
  task_definition = {definition}
  {lifecycle}
}}
"""
OWN = "aws_ecs_task_definition.this.arn"


def root(main: str, *, values: dict[str, str] | None = None, **modules: str) -> RootFiles:
    folders = {f"modules/{name}": {f"modules/{name}/main.tf": text} for name, text in modules.items()}
    files = {"root": {"root/main.tf": main}, **folders}
    return RootFiles(name="ecs", folder="root", modules=files, values=values or {})


def service(name: str = '"tempo"', definition: str = OWN, lifecycle: str = "") -> str:
    return SERVICE.format(name=name, definition=definition, lifecycle=lifecycle)


def only(files: RootFiles) -> DeclaredService:
    [found] = declared_services(files)
    return found


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("var.versions.tempo", "2.9.0"),
        ('var.versions["tempo"]', "2.9.0"),
        ("local.name", "lgtm-prod"),
        ('"${local.name}-tempo"', "lgtm-prod-tempo"),
        ('toset(["a", "b"])', ["a", "b"]),
        ("{ for name, one in var.versions : name => { image = one } }", {"tempo": UNKNOWN}),
        ("{ for name, one in var.versions : one => name }", UNKNOWN),
        ("local.round", UNKNOWN),
        ("local.list[1]", "b"),
        ("local.list[-5]", UNKNOWN),
        ("local.list[2]", UNKNOWN),
        ("local.twice", Template(("", None, "", None, ""))),
        ("var.nothing", UNKNOWN),
        ("var.yes ? 1 : 0", 1),
        ("var.yes ? var.nothing : 0", UNKNOWN),
        ("var.nothing ? 1 : 0", UNKNOWN),
        ("aws_lb.this.arn", UNKNOWN),
        ("upper(var.project)", UNKNOWN),
        ('"a" == "b"', UNKNOWN),
        ("3", 3),
        ("null", None),
    ],
)
def test_an_expression_has_the_value_that_the_files_say(expression: str, value: Any) -> None:
    scope = Scope(
        variables={"versions": {"tempo": "2.9.0"}, "project": "lgtm", "yes": True},
        locals={
            "name": '"${var.project}-prod"',
            "round": "${local.round}",
            "list": ['"a"', '"b"'],
            "twice": '"${local.twice}${local.twice}"',
        },
    )

    assert scope.expression(expression) == value


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("lgtm-prod-tempo", "yes"),
        ("lgtm-prod-loki", "no"),
        (Template(("lgtm-", None, "-tempo")), "perhaps"),
        (Template(("lgtm-", None, "-loki")), "no"),
        (UNKNOWN, "perhaps"),
        (3, "no"),
    ],
)
def test_a_name_that_is_not_whole_may_be_the_one(value: Any, found: str) -> None:
    assert fit(value, "lgtm-prod-tempo") == found


def test_a_variable_is_taken_from_the_last_file_that_sets_it() -> None:
    main = 'variable "versions" {\n  default = { tempo = "1" }\n}\nvariable "plain" {\n  default = "x"\n}\n'
    files = root(
        main, values={"a.tfvars": 'versions = { tempo = "2" }', "b.tfvars.json": '{"versions": {"tempo": "3"}}'}
    )

    assert root(main).variable("versions.tempo") == "1"
    assert files.variable("versions.tempo") == "3"
    assert files.variable("plain") == "x"
    assert files.variable("versions.loki") is UNKNOWN


@pytest.mark.parametrize("text", ["variable {\n  default = 1\n}\n", "module = 3\n", "module {}\n", "locals = 1\n"])
def test_a_block_that_terraform_would_refuse_is_passed_over(text: str) -> None:
    assert only(root(service() + text)).name == "tempo"


def test_a_service_in_a_module_has_the_name_that_it_is_given() -> None:
    main = """
module "one" {
  for_each = toset(["tempo", "loki"])
  source   = "../modules/service"
  name     = "${var.prefix}-${each.key}"
}
variable "prefix" {
  default = "lgtm"
}
"""
    module = 'variable "name" {}\n' + service("var.name", lifecycle="lifecycle { ignore_changes = [desired_count] }")

    found = declared_services(root(main, service=module))

    assert [(each.name, each.ignores, each.place, each.ignore_line) for each in found] == [
        ("lgtm-tempo", False, "modules/service/main.tf:3", 6),
        ("lgtm-loki", False, "modules/service/main.tf:3", 6),
    ]


@pytest.mark.parametrize(
    ("text", "ignores"),
    [
        (service(), False),
        (service(lifecycle="lifecycle { ignore_changes = [desired_count] }"), False),
        (service(lifecycle="lifecycle { ignore_changes = [desired_count, task_definition] }"), True),
        (service(lifecycle="lifecycle { ignore_changes = all }"), True),
        (service(definition="data.aws_ecs_task_definition.newest.arn"), True),
        (service(definition="aws_ecs_task_definition.this.family"), True),
        (
            service(definition="local.newest") + 'locals {\n  newest = "${data.aws_ecs_task_definition.t.arn}"\n}\n',
            True,
        ),
    ],
)
def test_a_service_stays_on_what_others_deploy_where_its_block_says_so(text: str, ignores: bool) -> None:
    assert only(root(text)).ignores is ignores


CALL = """
module "one" {{
  source = "../modules/service"
  {meta}
}}
"""
ASKED = """
variable "here" {{
  default = {default}
}}
variable "asked" {{}}
"""


@pytest.mark.parametrize(
    ("meta", "default", "found"),
    [
        ("", "true", ["yes"]),
        ("count = 0", "true", []),
        ("count = 2", "true", ["yes"]),
        ("count = var.here ? 1 : 0", "true", ["yes"]),
        ("count = var.here ? 1 : 0", "false", []),
        ("count = var.here", '"0"', []),
        ("count = var.asked", "true", ["perhaps"]),
        ("count = length(var.asked)", "true", ["perhaps"]),
        ("for_each = var.asked", "true", ["perhaps"]),
    ],
)
def test_a_block_that_may_have_no_instance_is_managed_by_no_more_than_perhaps(
    meta: str, default: str, found: list[str]
) -> None:
    variables = ASKED.format(default=default)
    inside = root(CALL.format(meta=meta) + variables, service=service())
    block = root(service(lifecycle=meta) + variables)

    assert [each.manages("tempo") for each in declared_services(inside)] == found
    assert [each.manages("tempo") for each in declared_services(block)] == found


@pytest.mark.parametrize(("nullable", "name"), [("", None), ("nullable = true", None), ("nullable = false", "tempo")])
def test_null_stands_for_the_default_of_a_variable_that_cannot_be_null(nullable: str, name: str | None) -> None:
    module = f'variable "name" {{\n  default = "tempo"\n  {nullable}\n}}\n' + service("var.name")
    call = 'module "one" {\n  source = "../modules/service"\n  name = null\n}\n'

    assert only(root(call, service=module)).name == name


def test_a_module_from_elsewhere_has_a_switch_of_its_own() -> None:
    call = (
        'module "tempo" {{\n  source = "terraform-aws-modules/ecs/aws//modules/service"\n  name = "tempo"\n{more}}}\n'
    )

    plain = only(root(call.format(more="")))
    ignoring = only(root(call.format(more="  ignore_task_definition_changes = true\n")))

    assert (plain.manages("tempo"), plain.ignores, plain.place) == ("yes", False, "root/main.tf:1")
    assert ignoring.ignores


def test_a_file_that_cannot_be_parsed_is_named_with_its_line() -> None:
    files = root(service() + "x = \n")

    with pytest.raises(NotHclError):
        declared_services(files)
    [(file, fault)] = files.unreadable()
    assert (file, fault.line) == ("root/main.tf", 7)


def test_a_root_without_services_is_not_parsed() -> None:
    assert declared_services(root("this is = = no Terraform")) == []


def test_files_that_are_parsed_side_by_side_mean_what_they_mean_alone() -> None:
    examples = Path(__file__).resolve().parents[2] / "examples"
    texts = [file.read_text() for file in sorted(examples.rglob("*.tf"))]
    alone = [parsed(text) for text in texts]
    parsed.cache_clear()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(parsed, texts)) == alone
    finally:
        sys.setswitchinterval(interval)
