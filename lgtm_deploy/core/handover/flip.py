"""Does Terraform move the health checks that are handed over, to where they are handed over, and no others?"""

from collections.abc import Iterable, Iterator, Sequence

from lgtm_deploy.core.guard import Allowance
from lgtm_deploy.core.handover.facts import Facts
from lgtm_deploy.core.handover.ways import Refusal


def astray(services: Sequence[Facts], touched: Iterable[Allowance]) -> Iterator[Refusal]:
    """What of the saved plan does not fit the handover.

    Images are tried out and tasks asked on the path of the stack file. What Terraform would make of the health check is
    committed elsewhere, and another path there is one on which nobody has seen any image answer.
    """
    moved = {each.group: each.path for each in touched if each.path}
    for facts in services:
        path = moved.pop(facts.service.target_group, facts.check.path)
        if path == facts.contract.new_path:
            continue
        name, group = facts.service.name, facts.service.target_group
        if path == facts.check.path:
            reason = f"{name}: Terraform leaves {group} on {path}"
        else:
            reason = f"{name}: Terraform would move {group} to {path}"
        yield Refusal(
            reason=f"{reason}, and `health.path` of {name} is {facts.contract.new_path}.",
            resolution="Commit the same path in both.",
        )
    for group, path in moved.items():
        yield Refusal(
            reason=f"Terraform would move {group} to {path} as well, and nobody would wait for its tasks.",
            resolution="Add its service to the plan's services, or move it in a run of its own.",
        )
