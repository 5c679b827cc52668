"""What a role or user may do, asked of IAM's own simulation."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lgtm_deploy.adapters.aws import Aws, reading
from lgtm_deploy.core.errors import DeployError
from lgtm_deploy.core.ports import Permission

_ASSUMED = ":assumed-role/"


def principal(aws: Aws, caller: str) -> str:
    """The user or role whose policies count for a caller's ARN; empty where it cannot be told.

    The ARN of an assumed role leaves out the role's path, so the role itself is asked for (AWS: IAM identifiers).
    """
    if ":user/" in caller:
        return caller
    if _ASSUMED not in caller:
        return ""
    name = caller.partition(_ASSUMED)[2].partition("/")[0]
    try:
        with reading(f"Role {name}"):
            return str(aws.reader("iam").get_role(RoleName=name)["Role"]["Arn"])
    except DeployError:
        return ""


def may(aws: Aws, principal: str, wanted: Sequence[Permission]) -> Mapping[Permission, bool] | None:
    """Which of these the role or user has (AWS: SimulatePrincipalPolicy); None where the caller may not ask, or IAM
    does not answer.

    A denial that rests on a condition whose value the simulation was not given proves nothing: it counts as allowed.
    """
    if not principal:
        return None
    found: dict[Permission, bool] = {}
    for group in _by_service(wanted):
        try:
            with reading("The caller's permissions"):
                found |= _simulated(aws, principal, group)
        except DeployError:
            return None
    return {each: found[each] for each in wanted if each in found}


def _by_service(wanted: Sequence[Permission]) -> Iterator[Sequence[Permission]]:
    """One question for each AWS service and kind of resource: every action is evaluated for every resource."""
    groups: dict[tuple[str, str], list[Permission]] = {}
    for each in wanted:
        kind = each.resource.rpartition(":")[2].partition("/")[0]
        groups.setdefault((each.action.partition(":")[0], kind), []).append(each)
    yield from groups.values()


def _simulated(aws: Aws, principal: str, group: Sequence[Permission]) -> dict[Permission, bool]:
    pages = aws.reader("iam").get_paginator("simulate_principal_policy")
    found: dict[Permission, bool] = {}
    for page in pages.paginate(
        PolicySourceArn=principal,
        ActionNames=sorted({each.action for each in group}),
        ResourceArns=sorted({each.resource for each in group}),
    ):
        for result in page["EvaluationResults"]:
            found |= _decided(result)
    return found


def _decided(result: Mapping[str, Any]) -> dict[Permission, bool]:
    """With several resources the answer for each is nested (AWS: EvaluationResult, ResourceSpecificResults)."""
    action = result["EvalActionName"]
    each = result.get("ResourceSpecificResults") or [
        {
            "EvalResourceName": result.get("EvalResourceName", "*"),
            "EvalResourceDecision": result["EvalDecision"],
            "MissingContextValues": result.get("MissingContextValues", []),
        }
    ]
    return {
        Permission(action=action, resource=one["EvalResourceName"]): one["EvalResourceDecision"] == "allowed"
        or bool(one.get("MissingContextValues"))
        for one in each
    }
