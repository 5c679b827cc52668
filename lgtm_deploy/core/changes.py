"""A Terraform change as lines for a person: what, from what, to what."""

from collections.abc import Mapping

from lgtm_deploy.core.differences import differences
from lgtm_deploy.core.ports import ResourceChange

_SIGNS: Mapping[tuple[str, ...], str] = {("create",): "+ create", ("update",): "~", ("delete",): "- destroy"}


def describe(change: ResourceChange) -> tuple[str, ...]:
    """One line per attribute that changes in place, or one for the whole resource, signed as Terraform signs them."""
    sign = _SIGNS.get(change.actions, "- replace" if "delete" in change.actions else "/".join(change.actions))
    if sign != "~":
        return (f"{sign} {change.address}",)
    found = differences({"before": change.before, "after": change.after})
    return tuple(f"~ {change.address}: {each}" for each in found) or (f"~ {change.address}",)
