"""Which AWS calls did clients make, on what, and how were they answered?"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs

from .records import Records

BODY_KEPT = 65536
INTERNAL_PATHS = ("/_ministack/", "/_alb/")
READ_ONLY = ("Describe", "List", "Get", "Head", "BatchGet", "BatchCheck", "Filter", "Query", "Scan", "Test", "Search")
QUERY_SERVICES = {"2015-12-01": "elasticloadbalancing", "2011-06-15": "sts", "2010-05-08": "iam", "2016-11-15": "ec2"}
TARGET_SERVICES = {
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "DynamoDB_20120810": "dynamodb",
    "Logs_20140328": "logs",
}
# Record key by request parameter, JSON and query protocols alike.
IDENTIFIERS = {
    "cluster": "cluster",
    "clusterName": "cluster",
    "service": "service",
    "serviceName": "service",
    "services": "services",
    "task": "task",
    "tasks": "tasks",
    "family": "family",
    "taskDefinition": "taskDefinition",
    "desiredCount": "desiredCount",
    "forceNewDeployment": "forceNewDeployment",
    "healthCheckGracePeriodSeconds": "healthCheckGracePeriodSeconds",
    "serviceDeploymentArn": "serviceDeployment",
    "stopType": "stopType",
    "repositoryName": "repository",
    "imageIds": "imageIds",
    "imageTag": "imageTag",
    "TargetGroupArn": "targetGroup",
    "ListenerArn": "listener",
    "RuleArn": "rule",
    "Name": "name",
    "Targets.member.1.Id": "targetAddress",
    "HealthCheckPath": "healthCheckPath",
    "Matcher.HttpCode": "matcher",
    "UnhealthyThresholdCount": "unhealthyThreshold",
    "HealthyThresholdCount": "healthyThreshold",
    "TableName": "table",
    "logGroupName": "logGroup",
    "logStreamName": "logStream",
}
CREDENTIAL_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
REGISTRY_PATH = re.compile(r"^/v2/(?P<repository>.+)/(?P<kind>manifests|blobs|tags)/(?P<reference>.*)$")


class RequestRecorder:
    """An ASGI application that records each request to the one it wraps, before its answer leaves."""

    def __init__(self, application: Any, records: Records) -> None:
        """Record requests to ``application``."""
        self._application = application
        self._records = records

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass one connection on, keeping the head of its body."""
        if scope["type"] != "http" or scope["path"].startswith(INTERNAL_PATHS):
            await self._application(scope, receive, send)
            return
        kept = bytearray()

        async def keeping() -> Any:
            message = await receive()
            room = BODY_KEPT - len(kept)
            if room > 0:
                kept.extend(message.get("body", b"")[:room])
            return message

        async def recording(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._records.write("request", **describe(scope, bytes(kept)), status=message["status"])
            await send(message)

        await self._application(scope, keeping, recording)


def describe(scope: Any, body: bytes) -> dict[str, Any]:
    """Say which service and action a request is, whether it changes anything, and on what."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    if scope["path"].startswith("/v2/") or scope["path"] == "/v2":
        return _registry(scope)
    target = headers.get("x-amz-target", "")
    if target:
        prefix, _, action = target.rpartition(".")
        return _described(TARGET_SERVICES.get(prefix, prefix.lower()), action, _json(body))
    parameters = {k: v[0] for k, v in parse_qs(body.decode("utf-8", "replace")).items()}
    parameters |= {k: v[0] for k, v in parse_qs(scope.get("query_string", b"").decode("latin-1")).items()}
    signed = CREDENTIAL_SERVICE.search(headers.get("authorization", ""))
    if "Action" in parameters:
        service = signed[1] if signed else QUERY_SERVICES.get(parameters.get("Version", ""), "unknown")
        return _described(service, parameters["Action"], parameters)
    return _storage(scope, signed[1] if signed else "s3")


def _described(service: str, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
    identifiers = {key: parameters[name] for name, key in IDENTIFIERS.items() if parameters.get(name) not in (None, "")}
    mutating = not action.startswith(READ_ONLY) and service != "sts"
    return {"service": service, "action": action, "mutating": mutating, "identifiers": identifiers}


def _registry(scope: Any) -> dict[str, Any]:
    method, found = scope["method"], REGISTRY_PATH.match(scope["path"])
    noun = {"manifests": "Manifest", "blobs": "Blob", "tags": "Tags"}[found["kind"]] if found else "Api"
    reference = {"repository": found["repository"], "reference": found["reference"]} if found else {}
    return {
        "service": "ecr",
        "action": f"Registry{method.capitalize()}{noun}",
        "mutating": method not in {"GET", "HEAD"},
        "identifiers": reference,
    }


def _storage(scope: Any, service: str) -> dict[str, Any]:
    method = scope["method"]
    bucket, _, key = scope["path"].lstrip("/").partition("/")
    noun = "Object" if key else "Bucket"
    return {
        "service": service,
        "action": f"{method.capitalize()}{noun}",
        "mutating": method not in {"GET", "HEAD", "OPTIONS"},
        "identifiers": {"bucket": bucket, "key": key},
    }


def _json(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body or b"{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
