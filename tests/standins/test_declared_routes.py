"""What the example's stack file says of the routes is what the stand-ins do, before the change and after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "lgtm-stack"
BASELINE = ROOT / "lgtm_deploy" / "sandbox" / "baselines" / "lgtm"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((EXAMPLE / "lgtm-deploy.yaml").read_text())["services"]
MOVED = sorted(name for name, service in SERVICES.items() if "prefix" in service)


def config_of(stack: Path, service: str, port: int, other_port: int) -> str:
    content = yaml.safe_load((stack / "dockerfiles" / service / "config" / f"{service}-config.yaml").read_text())
    content["server"]["http_listen_port"] = port
    if service == "tempo":
        content["distributor"] = {"receivers": {"otlp": {"protocols": {"http": {"endpoint": f"0.0.0.0:{other_port}"}}}}}
    return yaml.safe_dump(content)


def answers(answer: httpx.Response) -> bool:
    # A route that is there may refuse the method or the input; one that is not says so in its body.
    return not (answer.status_code == 404 and answer.text == "404 page not found\n")


@pytest.mark.parametrize("name", MOVED)
def test_before_the_change_routes_are_where_they_were(start, port, other_port, name: str) -> None:
    service, paths = SERVICES[name], SERVICES[name]["paths"]
    running = start(name, service["version"], config_of(BASELINE, name, port, other_port), tenant="demo")
    assert all(answers(running.get(path)) for path in paths["moves"] + paths["keeps"] + paths["drops"])
    assert not answers(running.get(service["health"]["path"]))


@pytest.mark.parametrize("name", MOVED)
def test_after_the_change_routes_are_where_the_stack_file_says(start, port, other_port, name: str) -> None:
    service, paths = SERVICES[name], SERVICES[name]["paths"]
    running = start(name, service["version"], config_of(EXAMPLE, name, port, other_port), tenant="demo")
    for path in paths["moves"]:
        assert answers(running.get(service["prefix"] + path)), path
        assert not answers(running.get(path)), path
    assert all(answers(running.get(path)) for path in paths["keeps"])
    assert not any(answers(running.get(path)) for path in paths["drops"])
    assert service["health"]["body"] in running.get(service["health"]["path"]).text
    for probe in service["probes"]:
        answer = running.get(probe["path"])
        assert answer.status_code == probe["status"]
        assert probe["body"] in answer.text
