"""The night that the change failed, case by case: what had been committed, and what the reason for refusing it names.

The tests put them to `lgtm-deploy`; `make night` puts them to a script too, as people release by hand.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from tests.e2e.conftest import Checkout

Commit = Callable[[Checkout], None]

# The tag that the task definition has pinned since before, and the one that was pushed that night.
OLD_TAG, NEW_TAG = "20260101", "20260116"
# What Pyroscope 1.13.5 answers without a prefix, and nothing answers with it.
BARE_PATHS = ("/ingest", "/querier.v1.*")
PROFILE_TYPES = "/querier.v1.QuerierService/ProfileTypes"

_STACK_FILE = "lgtm-deploy.yaml"
_VARIABLES = "terraform/environments/sandbox/common.tfvars"
_MOVED_CHECK = "path: /tempo/ready\n      body: ready\n      variable"
_MIMIR = "dockerfiles/mimir/config/mimir-config.yaml"
_TEMPO = "dockerfiles/tempo/config/tempo-config.yaml"
_PYROSCOPE = "dockerfiles/pyroscope/config/pyroscope-config.yaml"

_CHECK_FIRST = """\
schema: 1
name: check-first
services: [tempo, pyroscope]
steps:
  terraform-plan: {uses: terraform-plan, with: {root: alb}}
  flip: {uses: terraform-apply, needs: [terraform-plan]}
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing that was changed that night. `services` are those that it was about."""

    id: str
    change: str
    commit: Commit
    names: tuple[str, ...] = ()
    plan: str = "prefix-change"
    services: tuple[str, ...] = ("tempo", "pyroscope")


def nothing_more(_: Checkout) -> None:
    """The example's own change is all that is committed."""


def check_first(checkout: Checkout) -> None:
    """A plan of the user's own, whose health check moves as soon as Terraform is ready: only schema 1 could say it."""
    _plans(checkout).joinpath("check-first.yaml").write_text(_CHECK_FIRST, encoding="utf-8")


def tempo_under_path_prefix(checkout: Checkout, version: str) -> None:
    """The change as it was planned: `server.http_path_prefix`, and a health check that moves with it."""
    checkout.edit(_STACK_FILE, 'version: "2.9.0"', f'version: "{version}"')
    checkout.edit(_STACK_FILE, "path: /ready\n      body: ready\n      variable", _MOVED_CHECK)
    checkout.edit(_STACK_FILE, "moves: [/api/echo,", "moves: [/ready, /metrics, /api/echo,")
    checkout.edit(_VARIABLES, 'tempo_health_check_path     = "/ready"', 'tempo_health_check_path     = "/tempo/ready"')
    file = checkout.folder / _TEMPO
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    config["server"]["http_path_prefix"] = config.pop("http_api_prefix")
    if version.startswith("3."):
        # 3.x refuses these blocks of a 2.x configuration.
        for gone in ("ingester", "compactor"):
            del config[gone]
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def runtime_config_on_s3(checkout: Checkout) -> None:
    file = checkout.folder / _MIMIR
    block = "\nruntime_config:\n  file: s3://lgtm-sandbox-mimir/runtime.yaml\n"
    file.write_text(file.read_text(encoding="utf-8") + block, encoding="utf-8")
    shutil.copy(Path(__file__).with_name("mimir-config.yaml"), _plans(checkout))


def storage_prefix(checkout: Checkout) -> None:
    """2.0.4 knows this setting, 1.13.5 does not."""
    pyroscope_1(checkout)
    checkout.edit(_PYROSCOPE, "storage:\n", "storage:\n  prefix: profiles\n")


def storage_s3_prefix(checkout: Checkout) -> None:
    checkout.edit(_PYROSCOPE, "storage:\n", "storage:\n  s3:\n    prefix: profiles\n")


def pinned_tag(checkout: Checkout) -> None:
    checkout.edit(_STACK_FILE, "repository: lgtm-tempo", f'repository: lgtm-tempo\n    pinned_tag: "{NEW_TAG}"')


def one_variable_for_both(checkout: Checkout) -> None:
    checkout.edit(_STACK_FILE, 'version: "2.9.0"', f'version: "2.9.0-{NEW_TAG}"')


def pyroscope_1(checkout: Checkout) -> None:
    """Pyroscope 1.13.5, whose config file knows nothing of the second storage architecture."""
    checkout.edit(_STACK_FILE, 'version: "2.0.4"', 'version: "1.13.5"')
    file = checkout.folder / _PYROSCOPE
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    for newer in ("architecture_storage", "metastore", "query_backend"):
        del config[newer]
    file.write_text(yaml.safe_dump(config), encoding="utf-8")


FLIP_FIRST = Case(
    id="N1",
    change="Terraform moves the health check, then come the images",
    commit=check_first,
    names=("schema 1", "health-check-migration"),
    plan="check-first",
)
IMAGES_FIRST = Case(id="N1", change="images first, as documented", commit=nothing_more)
TEMPO_PATH_PREFIX = tuple(
    Case(
        id="N2",
        change=f"Tempo {version} with server.http_path_prefix",
        commit=partial(tempo_under_path_prefix, version=version),
        names=("tempo", answer, "http_api_prefix"),
        services=("tempo",),
    )
    # 2.3.1 is ready and cannot read; later versions answer on no path but /tempo/metrics.
    for version, answer in (("2.3.1", "500"), ("2.9.0", "404"), ("3.0.3", "404"))
)
RUNTIME_CONFIG = Case(
    id="N3",
    change="Mimir with runtime_config.file: s3://...",
    commit=runtime_config_on_s3,
    names=("mimir", "exits with code 1", "s3://lgtm-sandbox-mimir/runtime.yaml"),
    plan="mimir-config",
    services=("mimir",),
)
STORAGE_PREFIX = Case(
    id="N4",
    change="Pyroscope 1.13.5 with storage.prefix",
    commit=storage_prefix,
    names=("pyroscope", "exits with code 1", "field prefix not found in type phlare.StorageConfig"),
    services=("pyroscope",),
)
STORAGE_S3_PREFIX = Case(
    id="N4",
    change="Pyroscope 2.0.4 with storage.s3.prefix",
    commit=storage_s3_prefix,
    names=("pyroscope", "exits with code 1", "field prefix not found in type s3.Config"),
    services=("pyroscope",),
)
SLOW_START = Case(
    id="N5",
    change="grace period 0, ready 47 s after the first probe",
    commit=nothing_more,
    services=("pyroscope",),
)
PINNED_TAG = Case(
    id="N6",
    change="a new tag, while the task definition pins the old one",
    commit=pinned_tag,
    names=("tempo", OLD_TAG, NEW_TAG),
    services=("tempo",),
)
BY_DIGEST = Case(id="N6", change="no pinned tag in the stack file", commit=nothing_more)
ONE_VARIABLE = Case(
    id="N7",
    change="one variable for base version and ECR tag",
    commit=one_variable_for_both,
    names=(f"grafana/tempo:2.9.0-{NEW_TAG}",),
    services=("tempo",),
)
FALSE_GREEN = Case(
    id="N8",
    change="Pyroscope 1.13.5 under the prefix",
    commit=pyroscope_1,
    names=("pyroscope", f"/pyroscope{PROFILE_TYPES}", "does not answer within"),
    services=("pyroscope",),
)
BARE_RULES = Case(
    id="N8",
    change="listener rules for bare /ingest and /querier.v1.*",
    commit=nothing_more,
    names=("pyroscope", *BARE_PATHS),
    services=("pyroscope",),
)


def _plans(checkout: Checkout) -> Path:
    folder = checkout.folder / "plans"
    folder.mkdir(exist_ok=True)
    return folder
