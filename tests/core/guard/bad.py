"""Plans that must be refused, each with the line that says why."""

import json
from typing import Any

from tests.core.guard.documents import (
    BALANCER,
    LISTENER,
    LOKI,
    PYROSCOPE,
    RULE,
    TEMPO,
    Document,
    Mutation,
    acts,
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

SECRET = "canary-of-the-corpus"


def _attribute(path: str, before: str, new: Any, told: str, name: str = "") -> Mutation:
    """Another attribute of a target group that may be updated; blocks are indexed, and told without the index."""
    spelt = path.replace(".0.", ".")
    return Mutation(
        name or f"{spelt} changes", after(TEMPO, path, new), f"{TEMPO}: {spelt} {before} -> {told} is not allowed"
    )


ATTRIBUTES = [
    _attribute("port", "3200", 3201, "3201"),
    _attribute("protocol", '"HTTP"', "HTTPS", '"HTTPS"'),
    _attribute("protocol_version", "null", "HTTP2", '"HTTP2"'),
    _attribute("deregistration_delay", '"5"', "300", '"300"'),
    _attribute("slow_start", "0", 30, "30"),
    _attribute("slow_start", "0", False, "false", "slow_start becomes false, which Python takes for 0"),
    _attribute("name", '"lgtm-sandbox-tempo-tg"', "tempo", '"tempo"'),
    _attribute("target_type", '"ip"', "instance", '"instance"'),
    _attribute("ip_address_type", '""', "ipv6", '"ipv6"'),
    _attribute("load_balancing_algorithm_type", "null", "weighted_random", '"weighted_random"'),
    _attribute("lambda_multi_value_headers_enabled", "false", True, "true"),
    _attribute("proxy_protocol_v2", "false", True, "true"),
    _attribute("preserve_client_ip", "null", "true", '"true"'),
    _attribute("connection_termination", "null", True, "true"),
    _attribute("health_check.0.interval", "5", 30, "30"),
    _attribute("health_check.0.timeout", "3", 5, "5"),
    _attribute("health_check.0.healthy_threshold", "2", 5, "5"),
    _attribute("health_check.0.unhealthy_threshold", "4", 10, "10"),
    _attribute("health_check.0.unhealthy_threshold", "4", "4", '"4"', "a number becomes a text"),
    _attribute("health_check.0.port", '"traffic-port"', "8080", '"8080"'),
    _attribute("health_check.0.protocol", '"HTTP"', "HTTPS", '"HTTPS"'),
    _attribute("health_check.0.enabled", "true", False, "false"),
    _attribute("health_check.0.enabled", "true", 1, "1", "true becomes 1"),
    _attribute("health_check.0.timeout", "3", None, "null", "an attribute goes"),
    _attribute("health_check.0.grace", "null", 1, "1", "an attribute comes that nobody knows"),
    _attribute("stickiness.0.enabled", "false", True, "true"),
    _attribute("stickiness.0.cookie_duration", "0", 86400, "86400"),
    _attribute("target_failover.0.on_unhealthy", "null", "rebalance", '"rebalance"'),
    _attribute("target_group_health.0.dns_failover.0.minimum_healthy_targets_count", "null", "1", '"1"'),
    _attribute("tags.Owner", "null", "somebody", '"somebody"'),
    _attribute("tags_all.Project", '"lgtm"', "other", '"other"'),
    _attribute("load_balancer_arns", "[]", ["arn:a"], '["arn:a"]'),
]


def _second_check(document: Document) -> None:
    blocks = change(document, TEMPO)["after"]["health_check"]
    blocks.append({"path": "/second"})


def _no_check(document: Document) -> None:
    put(change(document, TEMPO)["after"], "health_check", [])


def _line_of(address: str, edit: Any) -> str:
    """The attribute's two values, spelt by nobody but the document itself."""
    made = real()
    edit(made)
    found = change(made, address)
    values = (json.dumps(found[side]["health_check"]) for side in ("before", "after"))
    return f"{address}: health_check {' -> '.join(_cut(text) for text in values)} is not allowed"


def _cut(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:160]}…"


BLOCKS = [
    Mutation("a second health check", _second_check, _line_of(TEMPO, _second_check)),
    Mutation("no health check any more", _no_check, _line_of(TEMPO, _no_check)),
]

_TWIN = {"address": "aws_lb_target_group.new", "mode": "managed", "type": "aws_lb_target_group", "name": "new"}
_OTHER = {"address": "aws_sns_topic.x", "mode": "managed", "type": "aws_sns_topic", "name": "x"}
_DATA = {"address": "data.aws_vpc.main", "mode": "data", "type": "aws_vpc", "name": "main"}

ACTIONS = [
    Mutation("a target group is destroyed", acts(TEMPO, "delete"), f"{TEMPO}: would be destroyed"),
    Mutation(
        "a target group is destroyed for a reason",
        acts(LOKI, "delete", action_reason="delete_because_no_resource_config"),
        f"{LOKI}: would be destroyed (delete because no resource config)",
    ),
    Mutation(
        "destroyed, then created",
        together(acts(TEMPO, "delete", "create"), of_change(TEMPO, replace_paths=[["name"], ["port"]])),
        f"{TEMPO}: would be replaced (name, port)",
    ),
    Mutation("created, then destroyed", acts(TEMPO, "create", "delete"), f"{TEMPO}: would be replaced"),
    Mutation(
        "replaced because it is tainted",
        acts(RULE, "delete", "create", action_reason="replace_because_tainted"),
        f"{RULE}: would be replaced (replace because tainted)",
    ),
    Mutation(
        "a target group is forgotten",
        acts(TEMPO, "forget"),
        f"{TEMPO}: would be forgotten: it stays, and nobody manages it",
    ),
    Mutation(
        "created anew and the old one forgotten",
        acts(TEMPO, "create", "forget"),
        f"{TEMPO}: would be forgotten: it stays, and nobody manages it",
    ),
    Mutation(
        "a target group is created",
        more({**_TWIN, "change": {"actions": ["create"], "before": None, "after": {"name": "new"}}}),
        "aws_lb_target_group.new: would be created",
    ),
    Mutation(
        "something of another type is created",
        more({**_OTHER, "change": {"actions": ["create"], "before": None, "after": {}, "after_unknown": {"id": True}}}),
        "aws_sns_topic.x: would be created",
    ),
    Mutation("the load balancer is destroyed", acts(BALANCER, "delete"), f"{BALANCER}: would be destroyed"),
    Mutation(
        "a deposed object is destroyed",
        more({**entry(real(), TEMPO), "deposed": "1a2b3c4d", "change": {"actions": ["delete"], "before": {}}}),
        f"{TEMPO} (deposed object 1a2b3c4d): would be destroyed",
    ),
    Mutation(
        "a deposed object is updated",
        of_entry(TEMPO, deposed="1a2b3c4d"),
        f"{TEMPO} (deposed object 1a2b3c4d): would meet 'update'",
    ),
    Mutation("a resource is read", acts(TEMPO, "read"), f"{TEMPO}: would meet 'read'"),
    Mutation("an action that nobody knows", acts(TEMPO, "migrate"), f"{TEMPO}: would meet 'migrate'"),
    Mutation("no action at all", acts(TEMPO), f"{TEMPO}: its change cannot be read"),
    Mutation(
        "an update that has to replace",
        of_change(TEMPO, replace_paths=[["health_check", 0, "path"]]),
        f"{TEMPO}: health_check.0.path forces a replacement",
    ),
    Mutation("an import", of_change(TEMPO, importing={"id": "arn"}), f"{TEMPO}: would be imported"),
    Mutation("an import that changes nothing", of_change(LOKI, importing={"id": "arn"}), f"{LOKI}: would be imported"),
    Mutation(
        "a move",
        of_entry(TEMPO, previous_address="aws_lb_target_group.tempo"),
        f"{TEMPO}: would be moved from aws_lb_target_group.tempo",
    ),
    Mutation(
        "a move that changes nothing",
        of_entry(RULE, previous_address="aws_lb_listener_rule.tempo"),
        f"{RULE}: would be moved from aws_lb_listener_rule.tempo",
    ),
    Mutation(
        "a data source that is read during the apply",
        more(
            {
                **_DATA,
                "action_reason": "read_because_dependency_pending",
                "change": {"actions": ["read"], "before": None, "after": {}, "after_unknown": {"id": True}},
            }
        ),
        "data.aws_vpc.main: a data source that is read only during the apply (read because dependency pending)",
    ),
    Mutation(
        "a data source that goes",
        more({**_DATA, "change": {"actions": ["delete"], "before": {}, "after": None}}),
        "data.aws_vpc.main: a data source that is read only during the apply",
    ),
    Mutation(
        "a mode that nobody knows",
        of_entry(TEMPO, mode="ephemeral"),
        f"{TEMPO}: it is 'ephemeral', which is not known here",
    ),
]

UPDATES = [
    Mutation(
        "a listener rule's priority",
        together(acts(RULE, "update"), after(RULE, "priority", 31)),
        f"{RULE}: priority 30 -> 31 is not allowed",
    ),
    Mutation(
        "a listener rule's paths",
        together(acts(RULE, "update"), after(RULE, "condition.0.path_pattern.0.values.0", "/*")),
        f'{RULE}: condition.path_pattern.values.0 "/api/traces" -> "/*" is not allowed',
    ),
    Mutation(
        "the load balancer's timeout",
        together(acts(BALANCER, "update"), after(BALANCER, "idle_timeout", 600)),
        f"{BALANCER}: idle_timeout 60 -> 600 is not allowed",
    ),
    Mutation(
        "the listener's port",
        together(acts(LISTENER, "update"), after(LISTENER, "port", 81)),
        f"{LISTENER}: port 80 -> 81 is not allowed",
    ),
    Mutation("an update that shows no difference", acts(LISTENER, "update"), f"{LISTENER}: would be updated"),
    Mutation(
        "the allowed attribute of a resource that is not allowed",
        of_entry(TEMPO, type="aws_alb_target_group"),
        f'{TEMPO}: health_check.path "/ready" -> "/tempo/ready" is not allowed',
    ),
    Mutation(
        "a resource that Terraform calls unchanged changes",
        after(RULE, "priority", 31),
        f"{RULE}: priority 30 -> 31, although Terraform calls it unchanged",
    ),
    Mutation(
        "even the allowed attribute of one that Terraform calls unchanged",
        after(LOKI, "health_check.0.path", "/loki/ready"),
        f'{LOKI}: health_check.path "/ready" -> "/loki/ready", although Terraform calls it unchanged',
    ),
    Mutation(
        "one that Terraform calls unchanged becomes unknown",
        marked(RULE, "priority", "after_unknown"),
        f"{RULE}: priority 30 -> (known after apply), although Terraform calls it unchanged",
    ),
    Mutation(
        "the order of a list changes",
        together(
            both(TEMPO, "preserve", ["a", "b"]), lambda document: change(document, TEMPO)["after"]["preserve"].reverse()
        ),
        f'{TEMPO}: preserve.0 "a" -> "b" is not allowed',
    ),
]

_KNOWN = "and it must be known beforehand"
UNKNOWNS = [
    Mutation(
        "an unknown path",
        of_change(TEMPO, after_unknown={"health_check": [{"path": True}]}),
        f'{TEMPO}: health_check.path "/ready" -> (known after apply), {_KNOWN}',
    ),
    Mutation(
        "an unknown matcher",
        of_change(TEMPO, after_unknown={"health_check": [{"matcher": True}]}),
        f'{TEMPO}: health_check.matcher "200" -> (known after apply), {_KNOWN}',
    ),
    Mutation(
        "an unknown attribute beside the path",
        of_change(TEMPO, after_unknown={"health_check": [{"interval": True}]}),
        f"{TEMPO}: health_check.interval 5 -> (known after apply) is not allowed",
    ),
    Mutation(
        "an unknown attribute that the configuration sets",
        marked(TEMPO, "port", "after_unknown"),
        f"{TEMPO}: port 3200 -> (known after apply) is not allowed",
    ),
    Mutation(
        "unknown tags of the provider",
        together(marked(TEMPO, "tags_all", "after_unknown"), both(TEMPO, "tags_all", {"Project": "lgtm"})),
        f'{TEMPO}: tags_all {{"Project": "lgtm"}} -> (known after apply) is not allowed',
    ),
    Mutation(
        "one unknown tag",
        of_change(TEMPO, after_unknown={"tags_all": {"Project": True}}),
        f'{TEMPO}: tags_all.Project "lgtm" -> (known after apply) is not allowed',
    ),
    Mutation(
        "an unknown block",
        of_change(TEMPO, after_unknown={"target_failover": [{"on_unhealthy": True}]}),
        f"{TEMPO}: target_failover.on_unhealthy null -> (known after apply) is not allowed",
    ),
    Mutation(
        "an unknown attribute that had no value",
        marked(TEMPO, "preserve_client_ip", "after_unknown"),
        f"{TEMPO}: preserve_client_ip null -> (known after apply) is not allowed",
    ),
    Mutation(
        "an unknown attribute of a resource that is not configured any more",
        together(without("configuration"), marked(TEMPO, "slow_start", "after_unknown")),
        f"{TEMPO}: slow_start 0 -> (known after apply) is not allowed",
    ),
]

_CHECK = {"address": {"to_display": "check.reachable"}, "status": "fail"}
WHOLE = [
    Mutation(
        "a major version that nobody knows",
        says(format_version="2.0"),
        "the plan's format version is 2.0, and only 1 is known",
    ),
    Mutation("no version", without("format_version"), "the plan's format version is none, and only 1 is known"),
    Mutation(
        "an error while planning", says(errored=True), "the plan is not whole: Terraform met an error while planning"
    ),
    Mutation(
        "a part of a plan", says(complete=False), "the plan is not whole: after it there would still be changes to plan"
    ),
    Mutation(
        "one that Terraform would not apply", says(applyable=False), "the plan is one that Terraform would not apply"
    ),
    Mutation(
        "a deferred change",
        says(deferred_changes=[{"reason": "provider_config_unknown", "resource_change": entry(real(), TEMPO)}]),
        f"{TEMPO}: its change is deferred to a later plan",
    ),
    Mutation(
        "an action",
        says(action_invocations=[{"address": "action.aws_lambda_invoke.x"}]),
        "action.aws_lambda_invoke.x: would be invoked",
    ),
    Mutation("a check that fails", says(checks=[_CHECK]), "check.reachable: the check does not hold"),
    Mutation(
        "a check that could not be asked",
        says(checks=[{**_CHECK, "status": "error", "instances": [{"problems": [{"message": "No route."}]}]}]),
        "check.reachable: the check does not hold: No route.",
    ),
    Mutation(
        "changes that are no list",
        says(resource_changes={}, deferred_changes={"a": 1}),
        "the plan's deferred_changes cannot be read",
    ),
    Mutation("a change that is none", of_entry(TEMPO, change=None), f"{TEMPO}: its change cannot be read"),
    Mutation("an entry that is none", more({}), "something without an address: its change cannot be read"),
]

OUTPUTS = [
    Mutation(
        "an output changes",
        lambda document: document["output_changes"]["dns_name"].update(actions=["update"], before="a", after="b"),
        'output.dns_name: "a" -> "b" is not allowed',
    ),
    Mutation(
        "an output that Terraform calls unchanged changes",
        lambda document: document["output_changes"]["dns_name"].update(before="a", after="b"),
        'output.dns_name: "a" -> "b" is not allowed',
    ),
    Mutation(
        "an output comes",
        lambda document: document["output_changes"].update(new={"actions": ["create"], "before": None, "after": "b"}),
        'output.new: null -> "b" is not allowed',
    ),
    Mutation(
        "an output goes",
        lambda document: document["output_changes"].update(old={"actions": ["delete"], "before": 1, "after": None}),
        "output.old: 1 -> null is not allowed",
    ),
    Mutation(
        "an output is unknown",
        lambda document: document["output_changes"]["dns_name"].update(
            actions=["update"], before="a", after=None, after_unknown=True
        ),
        'output.dns_name: "a" -> (known after apply) is not allowed',
    ),
    Mutation(
        "a sensitive output changes",
        lambda document: document["output_changes"]["dns_name"].update(
            actions=["update"], before="old-secret", after=SECRET, before_sensitive=True, after_sensitive=True
        ),
        "output.dns_name: (sensitive value) -> (sensitive value, changed) is not allowed",
    ),
]

SECRETS = [
    Mutation(
        "a sensitive attribute changes",
        together(
            marked(TEMPO, "tags.Token", "before_sensitive", "after_sensitive"),
            both(TEMPO, "tags.Token", "old-secret"),
            after(TEMPO, "tags.Token", SECRET),
        ),
        f"{TEMPO}: tags.Token (sensitive value) -> (sensitive value, changed) is not allowed",
    ),
    Mutation(
        "an attribute becomes sensitive",
        together(both(TEMPO, "tags.Token", SECRET), marked(TEMPO, "tags.Token", "after_sensitive")),
        f"{TEMPO}: tags.Token (not sensitive) -> (sensitive value) is not allowed",
    ),
    Mutation(
        "an attribute is sensitive no more",
        together(both(TEMPO, "tags.Token", SECRET), marked(TEMPO, "tags.Token", "before_sensitive")),
        f"{TEMPO}: tags.Token (sensitive value) -> (not sensitive) is not allowed",
    ),
    Mutation(
        "a copy of a sensitive value that nobody marked",
        together(
            both(PYROSCOPE, "tags.Token", SECRET),
            marked(PYROSCOPE, "tags.Token", "before_sensitive", "after_sensitive"),
            after(TEMPO, "tags.Copy", f"Bearer {SECRET}"),
        ),
        f'{TEMPO}: tags.Copy null -> "Bearer (sensitive value)" is not allowed',
    ),
    Mutation(
        "an unknown sensitive value that nobody configures",
        marked(TEMPO, "arn_suffix", "after_unknown", "before_sensitive", "after_sensitive"),
        f"{TEMPO}: arn_suffix (sensitive value) -> (known after apply) is not allowed",
    ),
    Mutation(
        "an unknown sensitive value",
        together(
            both(TEMPO, "slow_start", SECRET),
            marked(TEMPO, "port", "after_unknown", "before_sensitive", "after_sensitive"),
        ),
        f"{TEMPO}: port (sensitive value) -> (known after apply) is not allowed",
    ),
]

BAD = [*ATTRIBUTES, *BLOCKS, *ACTIONS, *UPDATES, *UNKNOWNS, *WHOLE, *OUTPUTS, *SECRETS]
