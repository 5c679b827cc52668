"""The bundled plan as data, bent in many ways: some keep its order, some break it."""

import json
import random
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from lgtm_deploy.config.plan_file import folders
from lgtm_deploy.config.source import read
from lgtm_deploy.core.graph import upstream
from lgtm_deploy.core.plan import Plan, StepSpec

Document = dict[str, Any]
Bend = Callable[[Document, random.Random], None]

GATE, DEPLOY, PUSH, PROBE, BUILD, FLIP = "await-tasks", "deploy", "push", "probe-image", "build", "flip"


def bundled(name: str = "prefix-change") -> Document:
    """The plan file of that name, as plain data."""
    found: Document = json.loads(_as_json(name))
    return found


@cache
def _as_json(name: str) -> str:
    return json.dumps(read(folders(Path("/nowhere"))[1] / f"{name}.yaml").values)


def written(document: Document, file: Path) -> Path:
    """A plan file that says so; JSON is YAML, too."""
    file.write_text(json.dumps(document, indent=1))
    return file


def before(document: Document, step: str) -> set[str]:
    """All steps that come before this one."""
    specs = {
        name: StepSpec(id=name, uses=each["uses"], needs=tuple(each.get("needs", ())))
        for name, each in document["steps"].items()
    }
    return upstream(Plan(name="p", steps=specs), step)


def after(document: Document, step: str) -> list[str]:
    """All steps that come after this one."""
    return [each for each in document["steps"] if step in before(document, each)]


def cut(document: Document, step: str, *targets: str) -> None:
    """The step no longer comes after the targets: what it needed for their sake it needs no more, and what these
    needed besides it needs itself."""
    needs: list[str] = []
    todo = list(document["steps"][step].get("needs", ()))
    while todo:
        need = todo.pop(0)
        if need in targets or before(document, need).intersection(targets):
            todo.extend(document["steps"][need].get("needs", ()) if need not in targets else ())
        elif need not in needs:
            needs.append(need)
    document["steps"][step]["needs"] = needs


def each_service(document: Document) -> list[str]:
    """The steps that run once for each service."""
    return [name for name, step in document["steps"].items() if step.get("for_each") == "services"]


def unrolled(document: Document) -> Document:
    """The same plan with every service written out: a step of its own, named after it, instead of a key."""
    services, repeated = document["services"], each_service(document)
    found = {**document, "steps": {}}
    for name, step in document["steps"].items():
        if name in repeated:
            for service in services:
                own = _for_one(step, service, repeated)
                own["needs"] = [f"{need}-{service}" if need in repeated else need for need in own.get("needs", ())]
                found["steps"][f"{name}-{service}"] = own
        else:
            shared = _for_all(step, services, repeated)
            shared["needs"] = list(_all_keys(step.get("needs", ()), services, repeated))
            found["steps"][name] = shared
    return found


def _for_one(step: Document, service: str, repeated: Iterable[str]) -> Document:
    text = json.dumps({key: value for key, value in step.items() if key != "for_each"})
    text = text.replace("${{ each }}", service)
    for name in repeated:
        text = text.replace(f"steps.{name}.outputs.", f"steps.{name}-{service}.outputs.")
    found: Document = json.loads(text)
    return found


def _for_all(step: Document, services: Iterable[str], repeated: Iterable[str]) -> Document:
    found = deepcopy(step)
    for key, value in found.get("with", {}).items():
        for name in repeated:
            if isinstance(value, str) and f"steps.{name}.outputs." in value:
                found["with"][key] = {
                    each: value.replace(f"steps.{name}.", f"steps.{name}-{each}.") for each in services
                }
    return found


def _all_keys(needs: Iterable[str], services: Iterable[str], repeated: Iterable[str]) -> Iterable[str]:
    for need in needs:
        yield from (f"{need}-{service}" for service in services) if need in repeated else (need,)


# --- bends that keep the order


def renamed(document: Document, chance: random.Random) -> None:
    """Steps under other names, everywhere they are mentioned."""
    names = chance.sample(list(document["steps"]), k=chance.randint(1, 6))
    steps = {}
    for name, step in document["steps"].items():
        text = json.dumps(step)
        for old in names:
            text = text.replace(f"steps.{old}.outputs.", f"steps.step-{old}.outputs.")
        spec = json.loads(text)
        spec["needs"] = [f"step-{need}" if need in names else need for need in spec.get("needs", ())]
        steps[f"step-{name}" if name in names else name] = spec
    document["steps"] = steps


def with_more_needs(document: Document, chance: random.Random) -> None:
    """Needs that close no circle."""
    for _ in range(chance.randint(1, 6)):
        step, need = chance.sample(list(document["steps"]), k=2)
        if step not in before(document, need):
            needs = document["steps"][step].setdefault("needs", [])
            needs.extend([need] if need not in needs else [])


def with_more_ends(document: Document, chance: random.Random) -> None:
    """Steps that nothing waits for."""
    for number in range(chance.randint(1, 4)):
        needs = chance.sample(list(document["steps"]), k=chance.randint(0, 2))
        extra = {"uses": "probe-paths", "for_each": "services", "needs": needs, "with": {"service": "${{ each }}"}}
        document["steps"][f"look-again-{number}"] = extra


def with_more_steps(document: Document, chance: random.Random) -> None:
    """Steps that have no part in the order, and others that wait for them."""
    with_more_ends(document, chance)
    for name in [each for each in document["steps"] if each.startswith("look-again-")]:
        later = chance.choice(list(document["steps"]))
        if later != name and later not in before(document, name):
            document["steps"][later].setdefault("needs", []).append(name)


def reordered(document: Document, chance: random.Random) -> None:
    """The same steps in another order of the file."""
    steps = list(document["steps"].items())
    chance.shuffle(steps)
    document["steps"] = dict(steps)


def with_more_services(document: Document, chance: random.Random) -> None:
    """More services, which every step that runs for each then runs for, too."""
    more = chance.sample(["loki", "mimir"], k=chance.randint(1, 2))
    document["services"] = [*document["services"], *more]


def with_another_root(document: Document, chance: random.Random) -> None:
    """A second Terraform root, applied after every gate that the first waits for."""
    steps = document["steps"]
    flip = next(name for name, step in steps.items() if step["uses"] == "terraform-apply")
    planned = next(name for name, step in steps.items() if step["uses"] == "terraform-plan")
    steps["other-plan"] = deepcopy(steps[planned])
    steps["other-plan"]["with"]["root"] = "ecs"
    outputs = {name: f"${{{{ steps.other-plan.outputs.{name} }}}}" for name in ("plan", "sha256", "changes", "touched")}
    steps["other-flip"] = deepcopy(steps[flip])
    steps["other-flip"]["needs"] = [*steps[flip]["needs"], "other-plan"]
    steps["other-flip"]["with"] |= {"root": "ecs", **outputs}


def written_out(document: Document, chance: random.Random) -> None:
    """Every service a step of its own."""
    document["steps"] = unrolled(document)["steps"]


def keys_written_out(document: Document, chance: random.Random) -> None:
    """`for_each: services` as the same keys, by name."""
    for name in each_service(document):
        document["steps"][name]["for_each"] = list(document["services"])


KEEPING: dict[str, Bend] = {
    "more services": with_more_services,
    "another root": with_another_root,
    "more needs": with_more_needs,
    "more steps": with_more_steps,
    "renamed": renamed,
    "keys written out": keys_written_out,
    "services written out": written_out,
}


# --- bends that break it


def _chosen(document: Document, chance: random.Random) -> str:
    return str(chance.choice(document["services"]))


def flip_needs_no_gate(document: Document, chance: random.Random) -> None:
    cut(document, FLIP, GATE)


def flip_redirected(document: Document, chance: random.Random) -> None:
    """It waits for something that is earlier than the gate."""
    cut(document, FLIP, GATE)
    document["steps"][FLIP]["needs"].append(chance.choice([BUILD, PUSH, DEPLOY]))


def flip_before_deployment(document: Document, chance: random.Random) -> None:
    """The mirror image: Terraform first, then the images."""
    cut(document, FLIP, GATE, DEPLOY)
    document["steps"][DEPLOY]["needs"].append(FLIP)


def second_flip(document: Document, chance: random.Random) -> None:
    """A copy that waits for nothing but its plan."""
    document["steps"]["flip-again"] = deepcopy(document["steps"][FLIP])
    cut(document, "flip-again", GATE)


def all_for_one(document: Document, chance: random.Random) -> None:
    """Every step runs for one service, and Terraform moves the health checks of all."""
    service = _chosen(document, chance)
    for name in each_service(document):
        document["steps"][name]["for_each"] = [service]


def gate_for_one(document: Document, chance: random.Random) -> None:
    document["steps"][GATE]["for_each"] = [_chosen(document, chance)]


def gate_of_one_service(document: Document, chance: random.Random) -> None:
    """The service written out where it should be each."""
    document["steps"][GATE]["with"]["service"] = _chosen(document, chance)


def deployment_of_one_service(document: Document, chance: random.Random) -> None:
    document["steps"][DEPLOY]["with"]["service"] = _chosen(document, chance)


def push_of_one_service(document: Document, chance: random.Random) -> None:
    document["steps"][PUSH]["with"]["service"] = _chosen(document, chance)


def service_only_a_run_can_tell(document: Document, chance: random.Random) -> None:
    document["steps"][chance.choice([GATE, DEPLOY, PUSH])]["with"]["service"] = "${{ vars.service }}"


def digest_from_elsewhere(document: Document, chance: random.Random) -> None:
    document["steps"][DEPLOY]["with"]["digest"] = chance.choice(["${{ vars.digest }}", "sha256:" + "a" * 64])


def image_from_elsewhere(document: Document, chance: random.Random) -> None:
    document["steps"][PUSH]["with"][chance.choice(["image", "tag"])] = "2.9.0-20260116"


def push_before_probe(document: Document, chance: random.Random) -> None:
    cut(document, PUSH, PROBE)
    document["steps"][PUSH]["needs"].append(BUILD)


def probe_of_one_service(document: Document, chance: random.Random) -> None:
    document["steps"][PROBE]["with"]["service"] = _chosen(document, chance)


def probe_of_another_build(document: Document, chance: random.Random) -> None:
    """What is pushed was built again after it was tried out."""
    document["steps"]["build-again"] = deepcopy(document["steps"][BUILD])
    push = document["steps"][PUSH]
    push["needs"].append("build-again")
    for name in ("image", "tag"):
        push["with"][name] = f"${{{{ steps.build-again.outputs.{name} }}}}"


def crossed(document: Document, chance: random.Random) -> None:
    """Services written out, and one input taken from the other service's step."""
    one, other = chance.sample(document["services"], k=2)
    written_out(document, chance)
    step, name, source = chance.choice(
        [
            (GATE, "deployment", DEPLOY),
            (GATE, "task_definition", DEPLOY),
            (GATE, "digest", PUSH),
            (DEPLOY, "digest", PUSH),
            (DEPLOY, "reference", PUSH),
            (PUSH, "image", BUILD),
        ]
    )
    spec = document["steps"][f"{step}-{one}"]
    spec["with"][name] = f"${{{{ steps.{source}-{other}.outputs.{name} }}}}"
    spec["needs"].append(f"{source}-{other}")


def one_gate_left_out(document: Document, chance: random.Random) -> None:
    """Services written out, and Terraform waits for all of them but one."""
    service = _chosen(document, chance)
    written_out(document, chance)
    cut(document, FLIP, f"{GATE}-{service}")


def second_deployment(document: Document, chance: random.Random) -> None:
    """Another deployment once the health check has moved, which nobody waits for."""
    again = deepcopy(document["steps"][DEPLOY])
    again["needs"] = [*again["needs"], *([FLIP] if chance.random() < 0.5 else [])]
    document["steps"]["deploy-again"] = again


def one_never_deployed(document: Document, chance: random.Random) -> None:
    """A service of the plan that has no steps of its own."""
    written_out(document, chance)
    document["services"].append(chance.choice(["loki", "mimir"]))


def permission_that_is_not_one(document: Document, chance: random.Random) -> None:
    """The step says that it acts only where the health check moves first; the plan does not permit that."""
    flip_before_deployment(document, chance)
    document["steps"][FLIP]["with"]["sequences"] = ["check-first"]
    document["allow_sequence"] = chance.choice([["direct"], ["direct", "grace-hold"]])


BREAKING: dict[str, Bend] = {
    bend.__name__: bend
    for bend in (
        flip_needs_no_gate,
        flip_redirected,
        flip_before_deployment,
        second_flip,
        all_for_one,
        gate_for_one,
        gate_of_one_service,
        deployment_of_one_service,
        push_of_one_service,
        service_only_a_run_can_tell,
        digest_from_elsewhere,
        image_from_elsewhere,
        push_before_probe,
        probe_of_one_service,
        probe_of_another_build,
        crossed,
        one_gate_left_out,
        second_deployment,
        one_never_deployed,
        permission_that_is_not_one,
    )
}
