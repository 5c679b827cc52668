"""A sandbox of its own for these tests: start it, fill it with images and services, and remove every trace."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import boto3
import docker
import httpx
from botocore.config import Config
from docker.errors import APIError

from lgtm_deploy.sandbox.ports import free_port

SHIM_PARENT = Path(__file__).resolve().parents[2] / "lgtm_deploy" / "sandbox"
LABEL = "lgtm-deploy.sandbox"
ACCOUNT = "123456789012"
REGION = "eu-west-1"
CLUSTER = "shim"
WITH_SHIM = os.environ.get("SANDBOX_SHIM", "on") != "off"
START_SECONDS = 60
# Times in tests are a quick machine's. Unmodified MiniStack is expected to fail: it gets less time for that.
PATIENCE = 5.0 if WITH_SHIM else 0.2
T = TypeVar("T")


def ministack_python() -> str:
    """The interpreter of MiniStack's virtual environment; its absence is a failure, not a skip."""
    python = os.environ.get("LGTM_DEPLOY_MINISTACK_PYTHON")
    if not python:
        raise RuntimeError("Set LGTM_DEPLOY_MINISTACK_PYTHON to the Python of MiniStack's virtual environment.")
    return python


def wait_until(look: Callable[[], T], seconds: float, what: str) -> T:
    """Look again and again until the answer is true; the last answer is in the failure."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s; last seen: {seen!r}")
        time.sleep(0.1)


@dataclass
class Service:
    """A service with a target group and a listener rule of its own."""

    name: str
    target_group: str
    path: str


@dataclass
class Cloud:
    """A running sandbox and clients for it."""

    directory: Path
    name: str = field(default_factory=lambda: f"shim-{uuid.uuid4().hex[:8]}")
    shim: bool = WITH_SHIM
    environment: dict[str, str] = field(default_factory=dict)
    priority: int = 0

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port(())
        self.alb_port = free_port((self.port,))
        self.engine = docker.from_env(timeout=120)
        self.records_path = self.directory / f"{self.name}.records.jsonl"
        self.log_path = self.directory / f"{self.name}.log"
        self.state = self.directory / "state"
        self.process: subprocess.Popen[bytes] | None = None

    # Life

    def start(self) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in {"HOSTNAME", "PYTHONPATH"}}
        environment |= {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "localhost",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "TMPDIR": str(self.directory),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.state),
            "SANDBOX_NAME": self.name,
            "SANDBOX_ALB_PORT": str(self.alb_port),
            "SANDBOX_RECORDS": str(self.records_path),
            "PYTHONPATH": str(SHIM_PARENT),
            **self.environment,
        }
        module = "shim" if self.shim else "ministack"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [ministack_python(), "-m", module], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._answers, START_SECONDS / PATIENCE, "the sandbox answers")

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log[-2000:]
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/_ministack/health").status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """SIGTERM, so that the state is saved and the containers go."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def remove(self) -> None:
        """Stop and remove every container and image that this sandbox made."""
        self.stop()
        labels = [f"{LABEL}={self.name}"] if self.shim else [f"ministack.instance={socket.gethostname()}:{self.port}"]
        # Lists only: what belongs to other tests may be gone before it is looked at.
        engine = self.engine.api
        for container in engine.containers(all=True, filters={"label": labels}):
            # The engine may be removing it already.
            with suppress(APIError):
                engine.remove_container(container["Id"], force=True, v=True)
        for image in engine.images():
            for reference in (*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())):
                if reference.startswith(f"127.0.0.1:{self.port}/"):
                    with suppress(APIError):
                        engine.remove_image(reference, force=True)
        for image in engine.images(all=True, filters={"label": f"{LABEL}={self.name}"}):
            with suppress(APIError):
                engine.remove_image(image["Id"], force=True)
        self.engine.close()

    # Clients

    def client(self, service: str) -> Any:
        config = Config(retries={"max_attempts": 0}, parameter_validation=service != "elbv2")
        make: Any = boto3.client
        return make(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=REGION,
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="test",
            config=config,
        )

    def get(self, path: str, **named: Any) -> httpx.Response:
        """A request through the load balancer."""
        return self.send("GET", path, **named)

    def send(self, method: str, path: str, **named: Any) -> httpx.Response:
        prefix = f"http://127.0.0.1:{self.alb_port}" if self.shim else f"http://127.0.0.1:{self.port}/_alb/shim"
        return httpx.request(method, f"{prefix}{path}", timeout=20, **named)

    def records(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        if not self.records_path.exists():
            return []
        # The last line may be half written.
        lines = [json.loads(line) for line in self.records_path.read_text().split("\n")[:-1]]
        return [r for r in lines if r["kind"] == kind and all(r.get(k) == v for k, v in wanted.items())]

    # Things in it

    def lay_ground(self) -> None:
        """One cluster, one load balancer with one listener, one log group."""
        self.client("ecs").create_cluster(clusterName=CLUSTER)
        balancing = self.client("elbv2")
        balancer = balancing.create_load_balancer(Name="shim", Subnets=["subnet-1"])["LoadBalancers"][0]
        self.listener = balancing.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Port=80,
            Protocol="HTTP",
            DefaultActions=[
                {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "418", "MessageBody": "nobody"}}
            ],
        )["Listeners"][0]["ListenerArn"]
        self.client("logs").create_log_group(logGroupName="/shim")

    def push(self, server: Path, repository: str, tag: str, *lines: str, **settings: Any) -> str:
        """Build the server with these settings as its environment and push it; returns the digest ECR has."""
        ecr = self.client("ecr")
        with suppress(ecr.exceptions.RepositoryAlreadyExistsException):
            ecr.create_repository(repositoryName=repository)
        steps = ["FROM scratch", "COPY server /server", f"LABEL {LABEL}={self.name}", *lines]
        steps += [f'ENV {key}="{value}"' for key, value in settings.items()]
        context = _context("\n".join([*steps, 'ENTRYPOINT ["/server"]']), server)
        reference = f"127.0.0.1:{self.port}/{repository}"
        self.engine.images.build(fileobj=context, custom_context=True, tag=f"{reference}:{tag}", forcerm=True)
        login = {"username": "AWS", "password": "test"}
        pushed = self.engine.images.push(reference, tag=tag, auth_config=login)
        for progress in map(json.loads, pushed.splitlines()):
            assert "error" not in progress, progress
        image = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"][0]
        digest: str = image["imageDigest"]
        return digest

    def push_as(self, architecture: str, repository: str, tag: str, new: str) -> None:
        """Push an image once more under a new tag, with a configuration that names another architecture."""
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}/v2/{repository}/", auth=("AWS", "test")) as registry:
            manifest = registry.get(f"manifests/{tag}").raise_for_status().json()
            known = registry.get(f"blobs/{manifest['config']['digest']}").raise_for_status().json()
            changed = json.dumps({**known, "architecture": architecture}).encode()
            digest = f"sha256:{hashlib.sha256(changed).hexdigest()}"
            upload = registry.post("blobs/uploads/").raise_for_status().headers["location"]
            address = f"http://127.0.0.1:{self.port}{upload}"
            registry.put(address, params={"digest": digest}, content=changed).raise_for_status()
            manifest["config"] |= {"digest": digest, "size": len(changed)}
            headers = {"Content-Type": manifest["mediaType"]}
            registry.put(f"manifests/{new}", content=json.dumps(manifest), headers=headers).raise_for_status()

    def image(self, repository: str, tag: str) -> str:
        return f"127.0.0.1:{self.port}/{repository}:{tag}"

    def container(self, image: str, **fields: Any) -> dict[str, Any]:
        """A container definition."""
        return {
            "name": "app",
            "image": image,
            "essential": True,
            "stopTimeout": 2,
            "portMappings": [{"containerPort": 8080}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": "/shim", "awslogs-region": REGION, "awslogs-stream-prefix": "shim"},
            },
            **fields,
        }

    def register(self, family: str, image: str, **container: Any) -> str:
        """Register a task definition of one container; extra fields go into the container."""
        return self.define(family, self.container(image, **container))

    def define(self, family: str, *containers: dict[str, Any], **fields: Any) -> str:
        """Register a task definition of these containers."""
        answer = self.client("ecs").register_task_definition(
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=list(containers),
            **fields,
        )
        arn: str = answer["taskDefinition"]["taskDefinitionArn"]
        return arn

    def target_group(self, name: str, *, rule: bool = True, **settings: Any) -> str:
        """A target group with quick checks of ``/ready``, and a rule that sends ``/<name>/*`` to it."""
        balancing = self.client("elbv2")
        arn: str = balancing.create_target_group(
            **{
                "Name": name,
                "Protocol": "HTTP",
                "Port": 8080,
                "VpcId": "vpc-1",
                "TargetType": "ip",
                "HealthCheckPath": "/ready",
                "HealthCheckIntervalSeconds": 1,
                "HealthCheckTimeoutSeconds": 1,
                "HealthyThresholdCount": 2,
                "UnhealthyThresholdCount": 2,
                **settings,
            }
        )["TargetGroups"][0]["TargetGroupArn"]
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "1"}
        balancing.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
        if rule:
            self.priority += 1
            balancing.create_rule(
                ListenerArn=self.listener,
                Priority=self.priority,
                Conditions=[{"Field": "path-pattern", "Values": [f"/{name}/*"]}],
                Actions=[{"Type": "forward", "TargetGroupArn": arn}],
            )
        return arn

    def serve(self, name: str, definition: str, *, checks: dict[str, Any] | None = None, **settings: Any) -> Service:
        """Create a service behind a target group of its own."""
        group = self.target_group(name, **(checks or {}))
        self.client("ecs").create_service(
            **{
                "cluster": CLUSTER,
                "serviceName": name,
                "taskDefinition": definition,
                "desiredCount": 1,
                "launchType": "FARGATE",
                "loadBalancers": [{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}],
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
                "deploymentConfiguration": {
                    "maximumPercent": 200,
                    "minimumHealthyPercent": 100,
                    "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                },
                **settings,
            }
        )
        return Service(name=name, target_group=group, path=f"/{name}/x")

    # What is seen

    def service(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client("ecs").describe_services(cluster=CLUSTER, services=[name])["services"][0]
        return found

    def update(self, name: str, **change: Any) -> dict[str, Any]:
        changed: dict[str, Any] = self.client("ecs").update_service(cluster=CLUSTER, service=name, **change)["service"]
        return changed

    def tasks(self, name: str, status: str = "RUNNING") -> list[dict[str, Any]]:
        ecs = self.client("ecs")
        arns = ecs.list_tasks(cluster=CLUSTER, serviceName=name, desiredStatus=status)["taskArns"]
        found: list[dict[str, Any]] = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
        return found

    def targets(self, group: str) -> list[tuple[str, str | None]]:
        """State and reason of each target."""
        seen = self.client("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return [(t["TargetHealth"]["State"], t["TargetHealth"].get("Reason")) for t in seen]

    def states(self, group: str) -> list[str]:
        return sorted(state for state, _ in self.targets(group))

    def deployments(self, name: str) -> list[dict[str, Any]]:
        """The service deployments, newest first, described."""
        ecs = self.client("ecs")
        briefs = ecs.list_service_deployments(cluster=CLUSTER, service=name)["serviceDeployments"]
        arns = [brief["serviceDeploymentArn"] for brief in briefs]
        found: list[dict[str, Any]] = (
            ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"] if arns else []
        )
        return found

    def events(self, name: str) -> list[str]:
        return [event["message"] for event in self.service(name)["events"]]

    def lowest_healthy(self, group: str, *, after: int) -> int:
        """The fewest healthy targets that the records ever show once there were ``after`` of them."""
        healthy: set[str] = set()
        lowest = after
        reached = False
        for record in self.records("target", target_group=group):
            healthy = healthy | {record["address"]} if record["to"] == "healthy" else healthy - {record["address"]}
            reached = reached or len(healthy) >= after
            lowest = min(lowest, len(healthy)) if reached else lowest
        return lowest

    def is_steady(self, name: str) -> bool:
        """One deployment, complete, every task running."""
        seen = self.service(name)
        [first, *others] = seen["deployments"]
        settled = first["rolloutState"] == "COMPLETED" and seen["runningCount"] == seen["desiredCount"]
        return settled and not others

    def wait_steady(self, name: str, seconds: float = 20) -> None:
        wait_until(lambda: self.is_steady(name), seconds, f"{name} is steady")


def _context(dockerfile: str, server: Path) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile.encode())
        archive.addfile(entry, io.BytesIO(dockerfile.encode()))
        archive.add(server, "server")
    packed.seek(0)
    return packed


def compile_server(directory: Path) -> Path:
    """Compile the test server; static, so that it runs in an empty image."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise RuntimeError("The shim's tests compile a small static server: install gcc and libc6-dev.")
    source, binary = Path(__file__).with_name("server.c"), directory / "server"
    # The linker warns that a static gethostbyname reads what is installed; files and DNS are built in.
    options = ["-static", "-O1", "-D_GNU_SOURCE", "-w", "-Wl,--no-warnings"]
    subprocess.run([compiler, *options, "-o", str(binary), str(source)], check=True)
    return binary


def stays(look: Callable[[], bool], seconds: float, what: str) -> None:
    """Look again and again for a while; the answer must stay true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert look(), f"{what}: not for {seconds} s"
        time.sleep(0.1)


@contextmanager
def running(cloud: Cloud) -> Iterator[Cloud]:
    """Start a cloud, lay its ground, and remove it whatever happens."""
    try:
        cloud.start()
        cloud.lay_ground()
        yield cloud
    finally:
        cloud.remove()
