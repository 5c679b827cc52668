"""Plans that look different and change nothing that is not allowed."""

from copy import deepcopy
from typing import Any

from tests.core.guard.documents import (
    LOKI,
    RULE,
    TEMPO,
    Document,
    Mutation,
    after,
    both,
    change,
    entry,
    marked,
    more,
    of_change,
    of_entry,
    put,
    real,
    says,
    together,
    without,
)

SUBNETS = "module.alb.aws_lb.this"


def _reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed_keys(value[key]) for key in reversed(value)}
    return [_reversed_keys(each) for each in value] if isinstance(value, list) else value


def _other_keys(document: Document) -> None:
    turned = _reversed_keys(document)
    document.clear()
    document.update(turned)


def _set_before_and_after(document: Document) -> None:
    for side in ("before", "after"):
        change(document, SUBNETS)[side]["subnets"].reverse()


def _without_nulls(document: Document) -> None:
    for side in ("before", "after"):
        values = change(document, TEMPO)[side]
        for name in [name for name, value in values.items() if value is None]:
            del values[name]


def _unknown_suffix(document: Document) -> None:
    """As Terraform writes it: what is unknown is missing among the values."""
    del change(document, TEMPO)["after"]["arn_suffix"]
    change(document, TEMPO)["after_unknown"] = {"arn_suffix": True, "health_check": [{}], "tags": {}}


def _as_before(document: Document) -> None:
    change(document, TEMPO)["after"] = deepcopy(change(document, TEMPO)["before"])


def _without_no_ops(document: Document) -> None:
    document["resource_changes"] = [
        each for each in document["resource_changes"] if each["change"]["actions"] != ["no-op"]
    ]


def _drifted(document: Document) -> None:
    drift = deepcopy(entry(real(), RULE))
    put(drift["change"]["before"], "priority", 99)
    drift["change"]["actions"] = ["update"]
    document.setdefault("resource_drift", []).append(drift)


_DATA = {"address": "data.aws_vpc.main", "mode": "data", "type": "aws_vpc", "name": "main"}
_CHECK = {"address": {"to_display": "check.reachable"}}

HARMLESS = [
    Mutation("resources in another order", lambda document: document["resource_changes"].reverse()),
    Mutation("keys in another order", _other_keys),
    Mutation("a set in another order, before and after", _set_before_and_after),
    Mutation(
        "a set of an unchanged resource in another order, after only",
        lambda document: change(document, SUBNETS)["after"]["subnets"].reverse(),
    ),
    Mutation("attributes that are null are left out", _without_nulls),
    Mutation("an attribute that is null is written", both(TEMPO, "written", None)),
    Mutation("an attribute that is null is written after only", after(TEMPO, "written", None)),
    Mutation("no drift", without("resource_drift")),
    Mutation("more drift", _drifted),
    Mutation("no outputs", without("output_changes")),
    Mutation(
        "an output that stays",
        lambda document: document["output_changes"].update(x={"actions": ["no-op"], "before": [1], "after": [1]}),
    ),
    Mutation(
        "a sensitive output that stays",
        lambda document: document["output_changes"].update(
            x={"actions": ["no-op"], "before": "s", "after": "s", "before_sensitive": True, "after_sensitive": True}
        ),
    ),
    Mutation("a computed attribute that is known only after the apply", _unknown_suffix),
    Mutation("another one, with its old value still there", marked(TEMPO, "arn_suffix", "after_unknown")),
    Mutation(
        "marks that are all false",
        of_change(TEMPO, after_unknown={"port": False, "tags": {"a": False}, "health_check": [{"path": False}]}),
    ),
    Mutation("no marks of what is unknown", lambda document: change(document, TEMPO).pop("after_unknown")),
    Mutation("sensitivity as one false", of_change(TEMPO, before_sensitive=False, after_sensitive=False)),
    Mutation("an attribute marked as not sensitive", of_change(TEMPO, after_sensitive={"port": False})),
    Mutation(
        "a sensitive value that stays",
        together(
            both(TEMPO, "tags.Token", "old-secret"),
            marked(TEMPO, "tags.Token", "before_sensitive", "after_sensitive"),
        ),
    ),
    Mutation(
        "a sensitive value that stays, all of the tags being sensitive",
        of_change(TEMPO, before_sensitive={"tags": True}, after_sensitive={"tags": True}),
    ),
    Mutation(
        "an allowed path that is sensitive",
        of_change(
            TEMPO,
            before_sensitive={"health_check": [{"path": True}]},
            after_sensitive={"health_check": [{"path": True}]},
        ),
    ),
    Mutation("the matcher changes too", after(TEMPO, "health_check.0.matcher", "200,404")),
    Mutation("another path", after(TEMPO, "health_check.0.path", "/other")),
    Mutation("an update without a difference", _as_before),
    Mutation("unchanged resources are left out", _without_no_ops),
    Mutation("nothing changes at all", says(resource_changes=[], applyable=False)),
    Mutation("an earlier address that is the same", of_entry(TEMPO, previous_address=TEMPO)),
    Mutation("no import", of_change(TEMPO, importing=None)),
    Mutation("no attribute that forces a replacement", of_change(TEMPO, replace_paths=[])),
    Mutation("a reason for nothing", of_entry(LOKI, action_reason="read_because_config_unknown")),
    Mutation("a data source that stays", more({**_DATA, "change": {"actions": ["no-op"], "before": {}, "after": {}}})),
    Mutation("a check that holds", says(checks=[{**_CHECK, "status": "pass"}])),
    Mutation("a check for after the apply", says(checks=[{**_CHECK, "status": "unknown"}])),
    Mutation("nothing deferred", says(deferred_changes=[], action_invocations=[])),
    Mutation("an older Terraform, or OpenTofu", without("applyable", "complete", "errored", "timestamp")),
    Mutation("a newer minor version", says(format_version="1.9", terraform_version="1.99.0")),
    Mutation("a key that nobody knows", says(provider_hints={"aws": ["5.100.0"]})),
    Mutation("no record of what was relevant", without("relevant_attributes", "variables")),
]
