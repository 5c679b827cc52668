"""What does `terraform init` depend on?"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from lgtm_deploy.adapters.terraform_file import sha256_of

LOCK_FILE = ".terraform.lock.hcl"


def fingerprint(
    program: Path, environment: Mapping[str, str], root: Path, data: Path, backend_config: Sequence[Path]
) -> str:
    """Changes with program, sources of the root and its local modules, backend, lock file, providers."""
    digest = hashlib.sha256(f"{program} {program.stat().st_size} {program.stat().st_mtime_ns}".encode())
    digest.update(environment.get("AWS_ENDPOINT_URL", "").encode())
    sources = [file for folder in (root, *modules(root, data)) for file in sorted(folder.glob("*.tf*"))]
    for file in (*sources, *backend_config, root / LOCK_FILE):
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
