"""Is what the load balancer sends requests to healthy, alive, and the image that it should be?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lgtm_deploy.core.ports import DeploymentState, ServiceState, Target, TaskState
from lgtm_deploy.core.verify.finding import Finding, Judgement, finding

TARGETS = "targets"
TASKS = "tasks"
IMAGE = "image"


@dataclass(frozen=True, kw_only=True)
class Running:
    """What AWS tells of a service. `path` is what the load balancer asks; `targets` is None where no
    load balancer has the service; `tagged` is the digest that the registry has
    under the tag of the task definition's image, empty where it names a digest or could not be asked."""

    service: str
    container: str
    path: str
    targets: Sequence[Target] | None
    tasks: Sequence[TaskState]
    state: ServiceState
    deployment: DeploymentState | None = None
    tagged: str = ""


def running_findings(seen: Running) -> list[Finding]:
    """Two checks: the targets, or the tasks where there are none, and the image that runs."""
    first = (
        finding(seen.service, TARGETS, judge_targets(seen), asked=f"targets on {seen.path}")
        if seen.targets is not None
        else finding(seen.service, TASKS, judge_tasks(seen), asked="running tasks")
    )
    return [
        first,
        finding(seen.service, IMAGE, judge_image(seen), asked="digest of each task"),
    ]


def judge_targets(seen: Running) -> Judgement:
    """Every target is healthy, and is a task that runs. One that leaves does not count."""
    staying = [target for target in seen.targets or () if target.status not in ("draining", "unused")]
    healthy = [target for target in staying if target.status == "healthy"]
    counts = Counter(target.status for target in staying)
    got = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "no targets"
    addresses = {task.address for task in seen.tasks if task.status == "running"}
    # Instances register by their id, tasks by their address.
    stale = [target for target in staying if _is_address(target.address) and target.address not in addresses]
    sick = next((target for target in staying if target.status == "unhealthy"), None)
    if not healthy:
        why = f": {sick.description or sick.reason}" if sick and (sick.description or sick.reason) else ""
        return Judgement.failed(
            f"{got}{why}",
            f"no target passes the health check {seen.path}" if staying else "nothing is registered",
            f"See `lgtm-deploy wait {seen.service}`, and the log of its tasks.",
        )
    if stale:
        return Judgement.degraded(
            f"{got}; {stale[0].address}:{stale[0].port} is no running task of it",
            "requests go to an address that is nobody's, or somebody else's",
            f"Deregister {stale[0].address} from its target group.",
        )
    if len(healthy) < len(staying):
        why = f": {sick.description or sick.reason}" if sick else ""
        return Judgement.degraded(
            f"{got}{why}",
            "some of its tasks get no requests",
            f"Wait, if a deployment is under way (`lgtm-deploy wait {seen.service}`); else look at its log.",
        )
    if len(healthy) < seen.state.desired:
        return Judgement.degraded(
            f"{got}, {seen.state.desired} desired",
            "fewer tasks run than should",
            f"See `lgtm-deploy wait {seen.service}`.",
        )
    return Judgement.ok(got)


def judge_tasks(seen: Running) -> Judgement:
    """As many tasks as desired run, and none is unhealthy by its container health checks."""
    running = [task for task in seen.tasks if task.status == "running"]
    sick = [task for task in running if task.health == "unhealthy"]
    got = f"{len(running)}/{seen.state.desired} running" + (f", {len(sick)} unhealthy" if sick else "")
    if running and not sick and len(running) >= seen.state.desired:
        return Judgement.ok(got)
    some = len(running) > len(sick)
    return Judgement(
        level="degraded" if some else "failed",
        got=got,
        means="not every task works by its container health check" if sick else "fewer tasks run than should",
        todo=f"See `lgtm-deploy wait {seen.service}`, and the log of its tasks.",
    )


def judge_image(seen: Running) -> Judgement:
    """Every running task runs the digest that its task definition names or, where that names a tag, the one that the
    tag names in the registry (ECS resolves a tag once for each deployment)."""
    tasks = [task for task in seen.tasks if task.status == "running"]
    found = {task.digest_of(seen.container) for task in tasks} - {""}
    named = seen.state.images.get(seen.container, "").partition("@")[2]
    deployed = seen.deployment.digests.get(seen.container, "") if seen.deployment else ""
    wanted = named or deployed
    if not tasks:
        return Judgement.failed("no task runs", "there is nothing to answer", f"See `lgtm-deploy wait {seen.service}`.")
    if not found or not wanted:
        return Judgement.not_configured("not known", "ECS tells no digest for its tasks")
    if wrong := sorted(found - {wanted}):
        return Judgement.failed(
            f"{wrong[0]} runs, {wanted} is deployed",
            "a task runs another image than the one that was deployed",
            f"See `lgtm-deploy wait {seen.service}`: a deployment may be under way, or have been rolled back.",
        )
    if seen.tagged and seen.tagged != wanted:
        return Judgement.degraded(
            f"{wanted} runs, its tag names {seen.tagged}",
            "the tag was moved after the deployment: the next task may be another image",
            "Deploy by digest (`lgtm-deploy apply`), or start a new deployment.",
        )
    return Judgement.ok(f"{wanted}")


def _is_address(text: str) -> bool:
    return "." in text or ":" in text
