"""From `lgtm-deploy.yaml` to a stack, and every fault with its place."""

from pathlib import Path

import pytest

from lgtm_deploy.config import stack_file
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.stack import Header, Secret
from tests.adapters.certificates import authority_file
from tests.config.files import STACK, lay_stack, place

CLUSTER = "    cluster: lgtm\n"


def test_a_stack_is_read_for_one_environment(tmp_path: Path) -> None:
    stack = stack_file.load(lay_stack(tmp_path), "prod")

    tempo = stack.service("tempo")
    assert (stack.name, stack.directory) == ("lgtm", tmp_path)
    assert (tempo.ecs_service, tempo.container, tempo.dockerfile) == ("lgtm-prod-tempo", "tempo", "Dockerfile")
    assert stack.environment.account == "111122223333"
    assert stack.root("alb").var_files == ("terraform/common.tfvars",)


def test_the_only_environment_need_not_be_named(tmp_path: Path) -> None:
    assert stack_file.load(lay_stack(tmp_path), None).environment.name == "prod"


def test_one_of_several_environments_must_be_named(tmp_path: Path) -> None:
    two = STACK + STACK.partition("environments:\n")[2].replace("prod:", "test:")

    with pytest.raises(UsageError, match=r"has 2 environments. Name one with --env: prod, test."):
        stack_file.load(lay_stack(tmp_path, two), None)
    assert stack_file.environments(lay_stack(tmp_path, two)) == ("prod", "test")
    assert stack_file.load(lay_stack(tmp_path, two), "test").other_environments == ("prod",)


def test_an_unknown_environment_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no environment 'dev'. It has: prod."):
        stack_file.load(lay_stack(tmp_path), "dev")


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("name: lgtm", "nmae: lgtm", "2:1", "'nmae' is not a key that belongs here (1 more)"),
        ("    repository: lgtm-tempo\n", "", "4:3", "'repository' is missing"),
        ("port: 3200", "port: 99999", "8:5", "services.tempo.port: input should be less than or equal to 65535"),
        ("port: 3200", "port: http", "8:5", "services.tempo.port: input should be a valid integer"),
        ("{path: /ready}", "{path: ready}", "10:14", "services.tempo.health.path: string should match pattern"),
        ('account: "111122223333"', "account: 111122223333", "14:5", "account: input should be a valid string"),
        ('account: "111122223333"', 'account: "1"', "14:5", "account: string should match pattern"),
        ("cluster: lgtm", "cluster: lgtm\n    state: floppy", "16:5", "environments.prod.state: string should match"),
        ("${{ env }}", "${{ each.x }}", "7:5", "only ${{ env }} can stand here"),
        ("${{ env }}", "${{ steps.a.outputs.b }}", "7:5", "only ${{ env }} can stand here"),
        ("context: dockerfiles/tempo", "context: ../tempo", "5:5", "'../tempo' leads out of the stack's folder"),
        ("context: dockerfiles/tempo", "context: /etc", "5:5", "'/etc' leads out of the stack's folder"),
        ("context: dockerfiles/tempo", "context: dockerfiles/tmepo", "5:5", "there is no dockerfiles/tmepo"),
        ("port: 3200", "dockerfile: ../x\n    port: 3200", "8:5", "'../x' leads out of the stack's folder"),
        ("port: 3200", "dockerfile: Other\n    port: 3200", "8:5", "there is no Other in"),
        ("port: 3200", "dockerfile: ./\n    port: 3200", "8:5", "./ is no file"),
        ("root: terraform/alb", "root: terraform/lab", "18:9", "there is no terraform/lab in"),
        ("root: terraform/alb", "root: ../alb", "18:9", "'../alb' leads out of the stack's folder"),
        ("[terraform/common.tfvars]", "[terraform/x.tfvars]", "19:21", "there is no terraform/x.tfvars in"),
        (CLUSTER, f"{CLUSTER}    ca_bundle: ca.pem\n", "16:5", "there is no ca.pem in"),
        (CLUSTER, f"{CLUSTER}    ca_bundle: ../ca.pem\n", "16:5", "'../ca.pem' leads out of the stack's folder"),
        (CLUSTER, f"{CLUSTER}    ca_bundle: terraform/common.tfvars\n", "16:5", "common.tfvars holds no certificate"),
        (CLUSTER, f"{CLUSTER}    ca_bundle: terraform\n", "16:5", "terraform holds no certificate"),
        (
            CLUSTER,
            f"{CLUSTER}    headers: {{Authorization: Basic eDp5}}\n",
            "16:15",
            "a value of Authorization is secret and does not belong in this file",
        ),
        (CLUSTER, f"{CLUSTER}    headers: {{X-Scope-OrgID: a}}\n", "16:15", "lgtm-deploy sets X-Scope-OrgID itself"),
        (CLUSTER, f"{CLUSTER}    headers: {{X-A: b, x-a: c}}\n", "16:23", "x-a is there twice"),
        (CLUSTER, f"{CLUSTER}    headers: {{X-A: {{envv: B}}}}\n", "16:21", "'envv' is not a key that belongs here"),
        (CLUSTER, f'{CLUSTER}    headers: {{"X A": b}}\n', "16:15", "should match pattern"),
        ("port: 3200", 'port: 3200\n    headers: {X-A: "b\\n"}', "9:15", "should match pattern"),
        (
            "port: 3200",
            "port: 3200\n    task_definition: {terraform: ecs}",
            "9:23",
            "environment 'prod' has no Terraform root 'ecs' It has: alb.",
        ),
        ("port: 3200", "port: 3200\n    task_definition: terraform", "9:5", "task_definition"),
        (CLUSTER, f"{CLUSTER}    secrets: {{a: b}}\n", "16:5", "environment 'prod' is no sandbox"),
        (CLUSTER, f"{CLUSTER}    secrets: {{a b: c}}\n", "16:15", "should match pattern"),
        ("name: lgtm", "name: lgtm\nstart_state: before", "3:1", "there is no before in"),
        ("name: lgtm", "name: lgtm\nstart_state: ../before", "3:1", "'../before' leads out of the stack's folder"),
        ("name: lgtm", "name: lgtm\nstart_state: lgtm-deploy.yaml", "3:1", "lgtm-deploy.yaml is no folder"),
        ("name: lgtm", "name: lgtm\nstart_state: ./", "3:1", "'./' is the stack's own folder"),
        (
            "port: 3200",
            "port: 3200\n    pinned_tag: latest\n    task_definition: {terraform: alb}",
            "10:23",
            "a service that Terraform releases has no pinned tag",
        ),
    ],
)
def test_a_fault_is_pointed_at(tmp_path: Path, old: str, new: str, where: str, message: str) -> None:
    assert old in STACK

    with pytest.raises(UsageError) as caught:
        stack_file.load(lay_stack(tmp_path, STACK.replace(old, new, 1)), "prod")

    assert message in str(caught.value)
    assert place(caught) == where
    assert "\n" not in str(caught.value)


def test_the_start_state_is_a_folder_of_the_stack(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    text = STACK.replace("name: lgtm", "name: lgtm\nstart_state: ./before/")

    assert stack_file.load(lay_stack(tmp_path, text), "prod").start_state == "before"
    assert stack_file.load(lay_stack(tmp_path), "prod").start_state == ""


def test_a_sandbox_may_have_secrets_written_down_or_in_environment_variables(tmp_path: Path) -> None:
    secrets = "    endpoint: sandbox\n    secrets: {lgtm/grafana: admin, lgtm/smtp: {env: SMTP}}\n"
    stack = stack_file.load(lay_stack(tmp_path, STACK.replace(CLUSTER, f"{CLUSTER}{secrets}")), "prod")

    assert stack.environment.secrets == (
        Secret(name="lgtm/grafana", value="admin"),
        Secret(name="lgtm/smtp", variable="SMTP"),
    )


@pytest.mark.parametrize("written", ["none", '""', ""])
def test_a_service_may_keep_no_tenants_apart_in_a_stack_that_has_them(tmp_path: Path, written: str) -> None:
    text = STACK.replace(CLUSTER, f"{CLUSTER}    tenant: demo\n").replace(
        "port: 3200", f"port: 3200\n    tenant: {written}"
    )
    stack = stack_file.load(lay_stack(tmp_path, text), "prod")

    assert stack.environment.tenant == "demo"
    assert stack.tenant_of(stack.service("tempo")) == ""


def test_a_service_has_the_tenant_of_its_environment_or_one_of_its_own(tmp_path: Path) -> None:
    text = STACK.replace(CLUSTER, f"{CLUSTER}    tenant: demo\n")
    stack = stack_file.load(lay_stack(tmp_path, text), "prod")
    own = stack_file.load(lay_stack(tmp_path, text.replace("port: 3200", "port: 3200\n    tenant: traces")), "prod")

    assert stack.tenant_of(stack.service("tempo")) == "demo"
    assert own.tenant_of(own.service("tempo")) == "traces"


def test_headers_and_certificates_are_read(tmp_path: Path) -> None:
    authority_file(tmp_path)
    headers = "    headers: {Authorization: {env: GATEWAY_AUTH}, X-Team: platform}\n"
    text = STACK.replace(CLUSTER, f"{CLUSTER}{headers}    ca_bundle: authority.pem\n").replace(
        "port: 3200", "port: 3200\n    headers: {X-Team: traces}"
    )
    stack = stack_file.load(lay_stack(tmp_path, text), "prod")

    assert stack.environment.headers == (
        Header(name="Authorization", variable="GATEWAY_AUTH"),
        Header(name="X-Team", value="platform"),
    )
    assert stack.service("tempo").headers == (Header(name="X-Team", value="traces"),)
    assert stack.environment.ca_bundle == "authority.pem"


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("dockerfiles/tempo", "5:5"),
        ("dockerfiles/tempo/Dockerfile", "4:3"),
        ("terraform", "18:9"),
        ("terraform/alb", "18:9"),
        ("terraform/common.tfvars", "19:21"),
    ],
)
def test_a_link_that_leads_out_of_the_stacks_folder_is_pointed_at(tmp_path: Path, name: str, where: str) -> None:
    stack = tmp_path / "stack"
    file = lay_stack(stack)
    (stack / name).rename(tmp_path / "elsewhere")
    (stack / name).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UsageError, match="leads out of the stack's folder, by a link") as caught:
        stack_file.load(file, "prod")

    assert place(caught) == where
    assert "\n" not in str(caught.value)


def test_a_link_may_lead_elsewhere_in_the_stacks_folder_and_to_it(tmp_path: Path) -> None:
    file = lay_stack(tmp_path / "stack")
    (tmp_path / "stack" / "terraform").rename(tmp_path / "stack" / "modules")
    (tmp_path / "stack" / "terraform").symlink_to("modules")
    (tmp_path / "link").symlink_to(tmp_path / "stack")

    assert stack_file.load(tmp_path / "link" / file.name, "prod").root("alb").root == "terraform/alb"


def test_a_link_to_itself_is_not_there(tmp_path: Path) -> None:
    file = lay_stack(tmp_path)
    (tmp_path / "terraform" / "common.tfvars").unlink()
    (tmp_path / "terraform" / "common.tfvars").symlink_to("common.tfvars")

    with pytest.raises(UsageError, match=r"there is no terraform/common\.tfvars"):
        stack_file.load(file, "prod")


def test_the_file_is_found_upwards(tmp_path: Path) -> None:
    file = lay_stack(tmp_path)

    assert stack_file.find(tmp_path / "terraform" / "alb") == file


def test_no_file_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no lgtm-deploy.yaml in .* or above it. Change into"):
        stack_file.find(tmp_path)


def test_task_definitions_are_live_unless_a_terraform_root_is_named(tmp_path: Path) -> None:
    def read(key: str) -> str:
        text = STACK.replace("port: 3200", f"port: 3200\n{key}")
        return stack_file.load(lay_stack(tmp_path, text), "prod").service("tempo").task_definition

    assert read("") == ""
    assert read("    task_definition: live") == ""
    assert read("    task_definition: {terraform: alb}") == "alb"


def test_a_service_may_have_no_target_group(tmp_path: Path) -> None:
    stack = stack_file.load(lay_stack(tmp_path, STACK.replace("    target_group: tempo-tg\n", "")), "prod")

    assert stack.service("tempo").target_group == ""


def test_backend_settings_stand_beside_backend_files(tmp_path: Path) -> None:
    text = f"{STACK}        backend_config: [terraform/common.tfvars, bucket=states, key=a/b.tfstate]\n"
    root = stack_file.load(lay_stack(tmp_path, text), "prod").root("alb")

    file = str(tmp_path / "terraform" / "common.tfvars")
    assert root.backend_files == ("terraform/common.tfvars",)
    assert root.backend_words(tmp_path) == (file, "bucket=states", "key=a/b.tfstate")


def versioned(version: str) -> str:
    return STACK.replace("    repository:", f"    version: {version}\n    repository:")


def test_a_version_is_read_from_the_dockerfile(tmp_path: Path) -> None:
    file = lay_stack(tmp_path, versioned("{dockerfile: VERSION}"))
    dockerfile = tmp_path / "dockerfiles" / "tempo" / "Dockerfile"
    dockerfile.write_text("# ARG VERSION=1\nARG OTHER=3\nARG VERSION=2.9.0\nFROM grafana/tempo:${VERSION}\n")

    assert stack_file.load(file, "prod").service("tempo").version == "2.9.0"


def test_a_version_that_the_dockerfile_takes_from_a_variable_is_pointed_at(tmp_path: Path) -> None:
    file = lay_stack(tmp_path, versioned("{dockerfile: VERSION}"))
    (tmp_path / "dockerfiles" / "tempo" / "Dockerfile").write_text("ARG OTHER\nARG VERSION=${OTHER:-2}\n")

    with pytest.raises(UsageError) as caught:
        stack_file.load(file, "prod")

    assert "dockerfiles/tempo/Dockerfile takes VERSION from another variable: ${OTHER:-2}" in str(caught.value)
    assert place(caught) == "6:15"


TERRAFORM_VERSION = "{terraform: alb, variable: image_versions.tempo}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("terraform/common.tfvars", 'image_versions = { tempo = "2.9.0" }\n'),
        ("terraform/alb/main.tf", 'variable "image_versions" {\n  default = {\n    tempo = "2.9.0"\n  }\n}\n'),
        ("terraform/alb/terraform.tfvars", 'image_versions = { tempo = "2.9.0" }\n'),
    ],
)
def test_a_version_is_read_from_a_terraform_variable(tmp_path: Path, name: str, text: str) -> None:
    file = lay_stack(tmp_path, versioned(TERRAFORM_VERSION))
    (tmp_path / "terraform/alb/main.tf").write_text('variable "image_versions" {}\n')
    (tmp_path / name).write_text(text)

    assert stack_file.load(file, "prod").service("tempo").version == "2.9.0"


@pytest.mark.parametrize(
    ("version", "column", "message"),
    [
        ("{dockerfile: VERSION}", 15, "dockerfiles/tempo/Dockerfile has no `ARG VERSION=…`"),
        ("{terraform: ecs, variable: a.b}", 15, "environment 'prod' has no Terraform root 'ecs'"),
        (TERRAFORM_VERSION, 31, "no file of Terraform root 'alb' sets image_versions.tempo to a text"),
        ("{terraform: alb, variable: a b}", 31, "services.tempo.version.variable: string should match pattern"),
        ("{dockerfile: VERSION, terraform: alb}", 5, "name either `dockerfile`, or `terraform` and `variable`"),
        ("{docker: VERSION}", 15, "'docker' is not a key that belongs here"),
        ("3.1", 5, "services.tempo.version: input should be a valid string"),
    ],
)
def test_a_version_that_is_not_there_is_pointed_at(tmp_path: Path, version: str, column: int, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        stack_file.load(lay_stack(tmp_path, versioned(version)), "prod")

    assert message in str(caught.value)
    assert place(caught) == f"6:{column}"


def test_a_terraform_file_that_cannot_be_parsed_is_named_with_its_place(tmp_path: Path) -> None:
    file = lay_stack(tmp_path, versioned(TERRAFORM_VERSION))
    (tmp_path / "terraform/common.tfvars").write_text("image_versions = \n")

    with pytest.raises(UsageError, match=r"terraform/common\.tfvars:1:\d+ cannot be parsed"):
        stack_file.load(file, "prod")
