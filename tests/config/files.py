"""Small stack and plan files that are right, to be made wrong in one place."""

from pathlib import Path

import pytest

from lgtm_deploy.core.errors import UsageError

PLAN = """\
schema: 2
name: small
uses: health-check-migration
services: [tempo]
terraform:
  - root: alb
    allow: [health_check.path]
"""

STACK = """\
schema: 1
name: lgtm
services:
  tempo:
    context: dockerfiles/tempo
    repository: lgtm-tempo
    ecs_service: lgtm-${{ env }}-tempo
    port: 3200
    target_group: tempo-tg
    health: {path: /ready}
environments:
  prod:
    region: eu-west-1
    account: "111122223333"
    cluster: lgtm
    terraform:
      alb:
        root: terraform/alb
        var_files: [terraform/common.tfvars]
"""


def lay_stack(folder: Path, text: str = STACK) -> Path:
    """A stack file with everything it names beside it."""
    (folder / "dockerfiles" / "tempo").mkdir(parents=True, exist_ok=True)
    (folder / "dockerfiles" / "tempo" / "Dockerfile").touch()
    (folder / "terraform" / "alb").mkdir(parents=True, exist_ok=True)
    (folder / "terraform" / "common.tfvars").touch()
    file = folder / "lgtm-deploy.yaml"
    file.write_text(text)
    return file


def place(caught: pytest.ExceptionInfo[UsageError]) -> str:
    """`line:column` of the fault, without the file."""
    return caught.value.where.partition(".yaml:")[2]
