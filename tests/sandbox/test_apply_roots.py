"""Roots of a stack are applied for the first time, by a Terraform of this test."""

import os
from pathlib import Path

import pytest

from lgtm_deploy.adapters.applied_files import AppliedFilesFolder
from lgtm_deploy.core.stack import Environment, Stack, TerraformRoot
from lgtm_deploy.sandbox.apply_roots import RootApplier


def test_a_backend_setting_is_not_kept_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, program = tmp_path / "stack", tmp_path / "bin" / "terraform"
    for folder in (stack / "alb", program.parent):
        folder.mkdir(parents=True)
    (stack / "alb" / "main.tf").touch()
    (stack / "backend.hcl").touch()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    root = TerraformRoot(name="alb", root="alb", backend_config=("backend.hcl", f"token={'x' * 300}"))
    environment = Environment(name="prod", region="r", account="1", cluster="c", terraform={"alb": root})
    applier = RootApplier(
        stack=Stack(name="lgtm", directory=stack, services={}, environment=environment),
        folder=stack,
        data=tmp_path / "data",
        environment={},
    )

    applier.apply(root, {}, lambda _: None)

    kept = AppliedFilesFolder(stack, "prod")
    [found] = kept.kept("alb")
    with kept.laid_out("alb", found.digest, tmp_path / "out") as there:
        assert there(stack / "alb" / "main.tf").is_file()
        assert there(stack / "backend.hcl").is_file()
