"""Which settings keep the sandbox's programs away from the user's own files?"""

import os
from collections.abc import Mapping
from pathlib import Path

from lgtm_deploy.sandbox.files import write_text
from lgtm_deploy.sandbox.home import Home

MIRROR_VARIABLE = "LGTM_DEPLOY_PROVIDER_MIRROR"
_KEY = "sandbox"
_CREDENTIALS = f"[default]\naws_access_key_id = {_KEY}\naws_secret_access_key = {_KEY}\n"


def client_environment(home: Home, *, endpoint: str, region: str, docker_host: str) -> dict[str, str]:
    """What a program that talks to the sandbox has in its environment; writes the files that it names."""
    write_text(home.aws / "config", f"[default]\nregion = {region}\n")
    write_text(home.aws / "credentials", _CREDENTIALS)
    if not (home.docker_config / "config.json").exists():
        write_text(home.docker_config / "config.json", "{}\n")
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _KEY,
        "AWS_SESSION_TOKEN": "",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_PROFILE": "default",
        "AWS_CONFIG_FILE": str(home.aws / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home.aws / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "DOCKER_HOST": docker_host,
        "DOCKER_CONFIG": str(home.docker_config),
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        **terraform_environment(home),
    }


def terraform_environment(home: Home, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Terraform's settings: a CLI configuration of the sandbox's own, and no calls home."""
    cache = home.terraform / "providers"
    cache.mkdir(parents=True, exist_ok=True)
    write_text(home.terraform / "terraform.rc", cli_configuration(cache, provider_mirror(home, environment)))
    return {
        "TF_CLI_CONFIG_FILE": str(home.terraform / "terraform.rc"),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "CHECKPOINT_DISABLE": "1",
    }


def provider_mirror(home: Home, environment: Mapping[str, str] = os.environ) -> str:
    """A folder with providers: LGTM_DEPLOY_PROVIDER_MIRROR, else the one that the set-up found on this machine.

    Empty: Terraform looks in its implied folders, then asks the registry.
    """
    chosen = environment.get(MIRROR_VARIABLE)
    if chosen:
        return chosen
    noted = home.terraform / "mirror"
    found = noted.read_text(encoding="utf-8").strip() if noted.exists() else ""
    return found if found and Path(found).is_dir() else ""


def cli_configuration(cache: Path, mirror: str) -> str:
    """Terraform's CLI configuration (https://developer.hashicorp.com/terraform/cli/config/config-file)."""
    lines = [
        f'plugin_cache_dir = "{cache}"',
        # The mirror may hold one platform's build only; a lock file that names others is no reason to fetch again.
        "plugin_cache_may_break_dependency_lock_file = true",
        "disable_checkpoint = true",
    ]
    if mirror:
        pattern = '"registry.terraform.io/hashicorp/*"'
        lines += [
            "provider_installation {",
            f'  filesystem_mirror {{\n    path = "{mirror}"\n    include = [{pattern}]\n  }}',
            f"  direct {{\n    exclude = [{pattern}]\n  }}",
            "}",
        ]
    return "\n".join(lines) + "\n"
