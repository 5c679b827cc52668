"""The same release by a script and by lgtm-deploy, in one run on one sandbox: `make bench`.

Three releases of Tempo and Pyroscope, each from the state of today:

1. by script, with images that answer the old and the new health check path: the most that a script can do;
2. by script, with the documented change (images that answer the new path only): bounded. ECS kills the new tasks and
   rolls back; the waiter takes the finished rollback for a success, and the script goes on and moves the health check
   under the old images;
3. by `lgtm-deploy apply prefix-change`, with the documented change.

The script is what the two CI workflows of such a stack do, one after the other: log in, build, push, register and
deploy, wait with the waiter `services_stable`, then plan and apply the load balancer's Terraform.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import docker
from botocore.exceptions import WaiterError

from lgtm_deploy.config.stack_file import load
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.home import HOME_VARIABLE, NAME_VARIABLE, home_for
from lgtm_deploy.sandbox.lifecycle import down, reset, up

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "lgtm-stack"
BASELINE = Path(__file__).resolve().parents[1] / "lgtm_deploy" / "sandbox" / "baselines" / "lgtm"
SERVICES = ("tempo", "pyroscope")
NAME = "bench"
# Interval x unhealthy threshold of the sandbox's target groups, and one more, in seconds.
_UNTIL_CHECKED = 25


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bound", type=float, default=90.0, help="seconds given to the release that never ends")
    bound = parser.parse_args().bound
    stack = load(EXAMPLE / "lgtm-deploy.yaml", "sandbox")
    connection = up(stack, NAME, _silent)
    os.environ.update(connection.environment)
    os.environ[NAME_VARIABLE] = NAME
    # The command runs in a copy of the stack, and has to find this very sandbox.
    os.environ[HOME_VARIABLE] = str(home_for(stack.directory).path)
    rows: list[tuple[str, str, str]] = []
    try:
        with _checkout(after=False) as folder:
            seconds = _timed(lambda: Script(stack, connection, folder).release(both_paths=True))
        rows.append(("script, images that answer both paths", f"{seconds:.1f}", "deployed"))
        reset(stack, NAME, _silent)
        with _checkout(after=True) as folder:
            broken, tried = _bounded(Script(stack, connection, folder), bound)
        rows.append(("script, the documented change", f"{tried:.1f}", broken or "deployed"))
        reset(stack, NAME, _silent)
        with _checkout(after=True) as folder:
            ours = _timed(lambda: _apply(folder))
        rows.append(("lgtm-deploy apply prefix-change", f"{ours:.1f}", "deployed"))
    finally:
        down(home_for(stack.directory), NAME, _silent)
    for name, took, end in (("release", "seconds", "end"), *rows):
        print(f"{name:<40} {took:>8}  {end}")
    print(f"lgtm-deploy / script: {ours / seconds:.2f}")
    return 0 if ours < seconds and broken else 1


class Script:
    """The release as people script it."""

    def __init__(self, stack: Stack, connection: Connection, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._docker = docker.DockerClient(base_url=connection.docker_host)
        self._args = dict(connection.build_args)
        self._ecs: Any = boto3.client("ecs", endpoint_url=connection.endpoint)
        self._elb: Any = boto3.client("elbv2", endpoint_url=connection.endpoint)
        self._tag = f"bench-{int(time.time())}"
        self._ecr: Any = boto3.client("ecr", endpoint_url=connection.endpoint)

    def release(self, *, both_paths: bool, attempts: int = 40) -> None:
        """Raises WaiterError when a service does not get stable in `attempts` looks, 15 s apart."""
        token = self._ecr.get_authorization_token()["authorizationData"][0]
        registry = token["proxyEndpoint"].removeprefix("http://").removeprefix("https://")
        tag = self._tag
        for name in SERVICES:
            service = self._stack.service(name)
            self._docker.images.build(
                path=str(self._folder / service.context),
                buildargs={**self._args, "VERSION": service.version},
                tag=f"{registry}/{service.repository}:{tag}",
                labels={"lgtm-deploy.bench": tag},
                rm=True,
            )
        for name in SERVICES:
            repository = f"{registry}/{self._stack.service(name).repository}"
            self._docker.images.push(repository, tag=tag, auth_config={"username": "AWS", "password": "sandbox"})
        for name in SERVICES:
            self._deploy(name, f"{registry}/{self._stack.service(name).repository}:{tag}", attempts)
        self._terraform(both_paths=both_paths)

    def _deploy(self, name: str, image: str, attempts: int) -> None:
        cluster, service = self._stack.environment.cluster, self._stack.service(name).ecs_service
        current = self._ecs.describe_services(cluster=cluster, services=[service])["services"][0]["taskDefinition"]
        found = self._ecs.describe_task_definition(taskDefinition=current)["taskDefinition"]
        kept = ("family", "taskRoleArn", "executionRoleArn", "networkMode", "cpu", "memory", "requiresCompatibilities")
        revision = {key: found[key] for key in (*kept, "volumes", "runtimePlatform") if key in found}
        containers = [{**each, "image": image} for each in found["containerDefinitions"]]
        made = self._ecs.register_task_definition(**revision, containerDefinitions=containers)["taskDefinition"]
        self._ecs.update_service(
            cluster=cluster, service=service, taskDefinition=made["taskDefinitionArn"], forceNewDeployment=True
        )
        waiter = self._ecs.get_waiter("services_stable")
        waiter.wait(cluster=cluster, services=[service], WaiterConfig={"Delay": 15, "MaxAttempts": attempts})

    def wrong(self) -> str:
        """What is not as the script left it to be, once the load balancer has checked often enough; empty: nothing."""
        time.sleep(_UNTIL_CHECKED)
        found = []
        for name in SERVICES:
            service = self._stack.service(name)
            arn = self._ecs.describe_services(cluster=self._stack.environment.cluster, services=[service.ecs_service])[
                "services"
            ][0]["taskDefinition"]
            containers = self._ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"][
                "containerDefinitions"
            ]
            group = self._elb.describe_target_groups(Names=[service.target_group])["TargetGroups"][0]
            health = self._elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
            states = [each["TargetHealth"]["State"] for each in health["TargetHealthDescriptions"]]
            if not containers[0]["image"].endswith(self._tag):
                found.append(f"{name}: old image under {group['HealthCheckPath']}, {states.count('healthy')} healthy")
        return "; ".join(found)

    def _terraform(self, *, both_paths: bool) -> None:
        root = self._stack.root("alb")
        at = self._folder / root.root
        backend = [f"-backend-config={self._folder / each}" for each in root.backend_config]
        files = [f"-var-file={self._folder / each}" for each in root.var_files]
        # A path that both images answer, and yet another one than before: Terraform has the same work to do.
        paths = [f"-var={name}_health_check_path=/ready?after" for name in SERVICES] if both_paths else []
        for words in (
            ["init", "-input=false", *backend],
            ["plan", "-input=false", "-out=bench.tfplan", *files, *paths],
            ["apply", "-input=false", "bench.tfplan"],
        ):
            subprocess.run(["terraform", *words], cwd=at, check=True, stdout=subprocess.DEVNULL)


def _bounded(script: Script, seconds: float) -> tuple[str, float]:
    """What went wrong (empty: nothing), and the seconds until the script ended."""
    began = time.monotonic()
    try:
        script.release(both_paths=False, attempts=max(int(seconds // 15), 1))
    except WaiterError as error:
        return f"given up: {error}", time.monotonic() - began
    took = time.monotonic() - began
    wrong = script.wrong()
    return f"exit 0, but {wrong}" if wrong else "", took


def _apply(folder: Path) -> None:
    words = [sys.executable, "-m", "lgtm_deploy", "apply", "prefix-change", "--env", "sandbox", "--yes"]
    subprocess.run(words, cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-m", "lgtm_deploy", "show"], cwd=folder, check=True)


@contextmanager
def _checkout(*, after: bool) -> Iterator[Path]:
    """The example; `after` the change, or as it was one commit before with images that are new all the same."""
    with tempfile.TemporaryDirectory(prefix="lgtm-bench-") as scratch:
        folder = Path(scratch) / "stack"
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".lgtm-deploy", ".terraform"))
        if not after:
            shutil.copytree(BASELINE, folder, dirs_exist_ok=True)
            for name in SERVICES:
                config = folder / f"dockerfiles/{name}/config/{name}-config.yaml"
                config.write_text(config.read_text(encoding="utf-8") + "\n# released by script\n", encoding="utf-8")
        yield folder


def _timed(action: Callable[[], None]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def _silent(_text: str) -> None:
    return


if __name__ == "__main__":
    sys.exit(main())
