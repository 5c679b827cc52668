"""Config files: what a stand-in refuses, in the real program's words; the example's files are all accepted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "lgtm-stack"
START_STATE = EXAMPLE / "start-state"
VERSIONS = {"loki": "3.5.1", "mimir": "2.16.0", "tempo": "2.9.0", "pyroscope": "2.0.4"}


@pytest.mark.parametrize(
    ("service", "version", "config", "said"),
    [
        ("tempo", "2.9.0", "servr: {}\n", "line 1: field servr not found in type app.Config"),
        ("tempo", "2.9.0", "server:\n  http_listen_port: many\n", "line 2: cannot unmarshal !!str `many` into int"),
        ("tempo", "2.9.0", "multitenancy_enabled: 3\n", "cannot unmarshal !!int `3` into bool"),
        ("tempo", "2.9.0", "server: [1]\n", "cannot unmarshal !!seq into server.Config"),
        ("tempo", "2.9.0", "server:\n  a: [\n", "yaml: line 3"),
        (
            "pyroscope",
            "1.13.5",
            "storage:\n  prefix: a\n",
            "line 2: field prefix not found in type phlare.StorageConfig",
        ),
        ("pyroscope", "1.13.5", "storage:\n  s3:\n    prefix: a\n", "line 3: field prefix not found in type s3.Config"),
        ("pyroscope", "2.0.4", "storage: {s3: {prefix: a}}\n", "field prefix not found in type s3.Config"),
        (
            "pyroscope",
            "1.13.5",
            "architecture_storage: v2\n",
            "field architecture_storage not found in type main.mainFlags",
        ),
        ("tempo", "3.0.3", "ingester: {}\n", "line 1: field ingester not found in type app.Config"),
        ("mimir", "2.16.0", "multitenancy: true\n", "field multitenancy not found in type mimir.Config"),
        ("loki", "3.5.1", "auth: true\n", "field auth not found in type loki.ConfigWrapper"),
        (
            "loki",
            "3.5.1",
            "limits_config: {retention_period: 336x}\n",
            'loki.yaml: unknown unit "x" in duration "336x"',
        ),
    ],
)
def test_a_config_that_does_not_fit_aborts_the_start(run_to_exit, service, version, config, said) -> None:
    code, output = run_to_exit(service, version, config)
    assert code == 1
    assert said in output
    assert "Traceback" not in output


def test_mimir_takes_local_runtime_configuration_only(run_to_exit) -> None:
    code, output = run_to_exit("mimir", "2.16.0", "runtime_config:\n  file: s3://bucket/runtime.yaml\n")
    assert code == 1
    assert "open s3://bucket/runtime.yaml: no such file or directory" in output


def test_a_flag_that_does_not_exist_ends_the_start(run_to_exit) -> None:
    code, output = run_to_exit("loki", "3.5.1", "", "-bogus-flag")
    assert (code, output) == (2, "flag provided but not defined: -bogus-flag\n")


def test_an_s3_endpoint_that_refuses_ends_tempo(run_to_exit) -> None:
    config = "storage: {trace: {backend: s3, s3: {bucket: a, endpoint: '127.0.0.1:9', insecure: true}}}\n"
    code, output = run_to_exit("tempo", "2.9.0", config, STANDIN_FACTOR="10")
    assert code == 1
    assert "dial tcp 127.0.0.1:9: connect: connection refused" in output


def test_tempo_without_a_private_address_ends_as_if_nothing_were_wrong(run_to_exit) -> None:
    code, output = run_to_exit("tempo", "2.9.0", "", STANDIN_ADDRESSES="loopback")
    assert code == 0
    assert "no private IP address found" in output


def test_a_missing_config_file_aborts_the_start(run_to_exit) -> None:
    code, output = run_to_exit("tempo", "2.3.1", "", "-config.file=/nowhere.yaml")
    assert code == 1
    assert "/nowhere.yaml" in output


def test_verify_reads_the_file_and_ends(run_to_exit) -> None:
    assert run_to_exit("tempo", "2.3.1", "server: {}\n", "-config.verify=true")[0] == 0
    assert run_to_exit("tempo", "2.3.1", "nope: {}\n", "-config.verify=true")[0] == 1


def test_version_is_told(run_to_exit) -> None:
    code, output = run_to_exit("tempo", "2.9.0", "", "-version")
    assert (code, output.split()[:3]) == (0, ["tempo,", "version", "2.9.0"])


def test_variables_are_expanded_only_where_asked(run_to_exit) -> None:
    config = "server: {http_listen_port: ${PORT}}\n"
    assert run_to_exit("tempo", "2.3.1", config, "-config.verify", "-config.expand-env=true", PORT="3200")[0] == 0
    assert run_to_exit("tempo", "2.3.1", config, "-config.verify", PORT="3200")[0] == 1


def test_an_unknown_version_does_not_start(run_to_exit) -> None:
    code, output = run_to_exit("tempo", "2.9.0-20260116", "")
    assert code != 0
    assert "no stand-in for tempo 2.9.0-20260116" in output


@pytest.mark.parametrize("service", sorted(VERSIONS))
@pytest.mark.parametrize("stack", [EXAMPLE, START_STATE], ids=["committed", "start state"])
def test_the_example_is_accepted(run_to_exit, service: str, stack: Path) -> None:
    file = stack / "dockerfiles" / service / "config" / f"{service}-config.yaml"
    if file.exists():
        code, output = run_to_exit(
            service, VERSIONS[service], file.read_text(), "-config.verify", "-config.expand-env=true"
        )
        assert (code, output) == (0, "")


def test_the_start_state_differs_from_the_example_only_by_the_prefix() -> None:
    files = [path for path in START_STATE.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"tempo-config.yaml", "pyroscope-config.yaml"}
    for path in files:
        before = path.read_text().splitlines()
        after = (EXAMPLE / path.relative_to(START_STATE)).read_text().splitlines()
        changed = {line.strip() for line in set(before) ^ set(after)}
        assert changed, path
        assert all(
            "prefix" in line or "/ready" in line or "url:" in line or line.startswith("#") for line in changed
        ), changed


def test_the_stack_file_names_versions_that_exist() -> None:
    from lgtm_deploy.sandbox.standins.catalogue import PROGRAMS

    services = yaml.safe_load((EXAMPLE / "lgtm-deploy.yaml").read_text())["services"]
    assert all(service["version"] in PROGRAMS[name].versions for name, service in services.items())
    assert all(service["port"] == PROGRAMS[name].port for name, service in services.items())
    assert os.path.commonpath([service["context"] for service in services.values()]) == "dockerfiles"
