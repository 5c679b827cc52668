"""Is this the MiniStack whose private parts the shim replaces?"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version

MINISTACK_VERSION = "1.5.33"

PRIVATE_NAMES = {
    "ministack.app": "app main _send_response _send_streaming_response",
    "ministack.core.concurrency": "resource_lock",
    "ministack.core.container_reaper": "own_labels",
    "ministack.core.responses": "request_scope json_response error_response_json StreamingResponse",
    "ministack.services.alb": (
        "_ACTION_MAP _error _empty _xml _p _parse_targets_param _lbs _tgs _targets _tg_attrs _listeners _rules "
        "_create_rule _delete_tg _forward_to_tg _parse_actions _parse_tags _action_xml _execute_actions "
        "_proxy_http_target dispatch_request _lb_attr TARGET_IDLE_TIMEOUT"
    ),
    "ministack.services.cloudwatch_logs": "_log_groups _put_log_events",
    "ministack.services.ecr": (
        "_repo_uri _repo_shape _get_authorization_token _describe_images _find_image _repositories "
        "_resolve_manifest _registry_id _layer_blobs _create_repository _tag_resource"
    ),
    "ministack.services.ecs": (
        "_ACTION_MAP _services _tasks _task_defs _task_ip _sanitize _iso _run_task _bump_task_version "
        "_deployment_for_task _primary_deployment _resolve_cluster_name _resolve_service_ref _resolve_td_key "
        "_resolve_task _build_run_kwargs _run_docker_container _prepare_service_images _record_task_ip "
        "_start_awslogs_forwarder _awslogs_config _ensure_awslogs_stream _emit_awslogs_event _watch_task_lifecycle "
        "_mark_task_pending _mark_task_activating _mark_task_running _fail_task_start _mark_task_stopped "
        "_maybe_mark_stopped _cleanup_task_resources _ImagePullError _SecretResolutionError "
        "_resolve_container_secrets _start_task_worker _task_is_active "
        "_reconcile_service_tasks _refresh_service_state _recount_cluster _sync_service_targets "
        "_record_service_task_failure _record_service_task_healthy _complete_service_deployment "
        "_schedule_service_deployment_completion _start_restored_service_reconciler _ts_to_epoch _get_docker"
    ),
    "ministack.services.secretsmanager": "resolve_secret_string",
    "ministack.services.servicediscovery": (
        "_namespaces _services _instances _instance_health_status _register_instance _deregister_instance "
        "_create_service"
    ),
    "ministack.services.ssm": "resolve_parameter_value",
    "hypercorn.protocol.h11": "H11Protocol",
}


def misfit() -> str | None:
    """Say in one line why the installed MiniStack does not fit, or None where it does."""
    try:
        found = version("ministack")
    except PackageNotFoundError:
        return f"MiniStack is not installed for this interpreter; install ministack=={MINISTACK_VERSION}."
    if found != MINISTACK_VERSION:
        return f"The sandbox shim replaces private parts of MiniStack {MINISTACK_VERSION}, but found {found}."
    for module_name, names in PRIVATE_NAMES.items():
        module = importlib.import_module(module_name)
        gone = [name for name in names.split() if not hasattr(module, name)]
        if gone:
            return f"The sandbox shim does not fit this MiniStack: {module_name} has no {', '.join(gone)}."
    return None
