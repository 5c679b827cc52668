"""What `terraform init` depends on."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lgtm_deploy.adapters.terraform_file import sha256_of
from lgtm_deploy.adapters.terraform_state import local_state
from lgtm_deploy.core.terraform_files import LOCK_FILE
from lgtm_deploy.private import make_private

# Terraform merges what such a file says into the configuration ("Override Files").
_OVERRIDE = "lgtm_deploy_override.tf"
_BACKEND = """terraform {
  backend "local" {
    path = %s
  }
}
"""


def fingerprint(
    program: Path, environment: Mapping[str, str], root: Path, data: Path, backend_config: Sequence[str]
) -> str:
    """Changes with program, sources of the root and its local modules, backend, lock file, providers."""
    digest = hashlib.sha256(f"{program} {program.stat().st_size} {program.stat().st_mtime_ns}".encode())
    digest.update(environment.get("AWS_ENDPOINT_URL", "").encode())
    digest.update("\n".join(backend_config).encode())
    sources = [file for folder in (root, *modules(root, data)) for file in sorted(folder.glob("*.tf*"))]
    files = [Path(word) for word in backend_config if "=" not in word]
    for file in (*sources, *files, root / LOCK_FILE):
        if file.is_file() and not file.name.endswith((".tfvars", ".tfvars.json", ".tfstate")):
            digest.update(f"\n{file} {sha256_of(file)}".encode())
    for provider in sorted((data / "providers").rglob("*")):
        digest.update(f"\n{provider} {provider.exists()}".encode())
    return digest.hexdigest()


def modules(root: Path, data: Path) -> list[Path]:
    """The folders of the root's modules, as `init` recorded them."""
    try:
        recorded = json.loads((data / "modules" / "modules.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [root / module["Dir"] for module in recorded.get("Modules", []) if module.get("Key")]


def local_modules(root: Path, data: Path) -> list[Path]:
    """Return the folders of the root's modules that are not downloaded: those below `data` are Terraform's own."""
    return [folder for folder in modules(root, data) if not folder.resolve().is_relative_to(data.resolve())]


def make_copy(root: Path, data: Path, original: Path, original_data: Path) -> None:
    """Readies an earlier revision of a root: the providers that are there already, and the same local state.

    A local state is found by the root's folder, and a folder of its own would have none: everything would be created
    again.
    """
    if not root.is_dir():
        return
    for provider in (original_data / "providers").glob("*/*/*/*/*"):
        here = data / "providers" / provider.relative_to(original_data / "providers")
        if not here.exists():
            make_private(here.parent)
            here.symlink_to(provider.resolve(), target_is_directory=True)
    state = local_state(original, original_data)
    if state:
        (root / _OVERRIDE).write_text(_BACKEND % json.dumps(str(state)), encoding="utf-8")
    known = next((each / LOCK_FILE for each in (original, original_data) if (each / LOCK_FILE).is_file()), None)
    if known and not (root / LOCK_FILE).exists():
        shutil.copyfile(known, root / LOCK_FILE)
