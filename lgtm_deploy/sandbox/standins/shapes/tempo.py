"""Which keys does Tempo's config file know? (docs: tempo/latest/configuration)."""

from __future__ import annotations

from .common import GRPC_CLIENT, KVSTORE, MEMBERLIST, SERVER, fields, ring, section

_LIFECYCLER = section(
    "ring.LifecyclerConfig",
    fields(
        int="num_tokens port",
        duration="heartbeat_period join_after min_ready_duration final_sleep observe_period heartbeat_timeout",
        list="interface_names",
        string="availability_zone address id tokens_file_path",
        bool="unregister_on_shutdown enable_inet6",
    )
    | {
        "ring": section(
            "ring.Config",
            fields(int="replication_factor", bool="zone_awareness_enabled", duration="heartbeat_timeout")
            | {"kvstore": KVSTORE},
        )
    },
)

_DISTRIBUTOR = section(
    "distributor.Config",
    fields(bool="log_received_traces extend_writes", string="override_ring_key", any="receivers")
    | {
        "ring": ring("distributor.RingConfig"),
        "log_received_spans": "any",
        "log_discarded_spans": "any",
        "forwarders": "list",
        "metric_received_spans": "any",
        "usage": "any",
        "retry_after_on_resource_exhausted": "duration",
        "max_attribute_bytes": "int",
    },
)

_INGESTER = section(
    "ingester.Config",
    fields(
        duration="trace_idle_period max_block_duration flush_check_period complete_block_timeout max_trace_live "
        "trace_live_period",
        int="max_block_bytes concurrent_flushes",
        bool="flush_all_on_shutdown",
        string="override_ring_key",
    )
    | {"lifecycler": _LIFECYCLER},
)

_COMPACTION = section(
    "tempodb.CompactorConfig",
    fields(
        duration="block_retention compacted_block_retention compaction_window max_time_per_tenant compaction_cycle",
        int="chunk_size_bytes flush_size_bytes max_compaction_objects max_block_bytes retention_concurrency "
        "iterator_buffer_size v2_in_buffer_bytes v2_out_buffer_bytes v2_prefetch_traces_count",
    ),
)

_TRACE = section(
    "tempodb.Config",
    fields(
        string="backend cache",
        duration="blocklist_poll",
        int="blocklist_poll_concurrency blocklist_poll_tenant_index_builders blocklist_poll_jitter_ms",
        bool="blocklist_poll_fallback",
        any="pool search block cache_control memcached redis background_cache gcs azure",
    )
    | {
        "wal": section(
            "wal.Config",
            fields(string="path v2_encoding search_encoding version", duration="ingestion_time_range_slack"),
        ),
        "local": section("local.Config", fields(string="path")),
        "s3": section(
            "s3.Config",
            fields(
                string="bucket prefix endpoint region access_key secret_key session_token tls_server_name "
                "storage_class",
                bool="insecure forcepathstyle enable_dual_stack enable_instance_metadata native_aws_auth_enabled "
                "tls_insecure_skip_verify signature_v2",
                int="part_size hedge_requests_up_to bucket_lookup_type list_blocks_concurrency",
                duration="hedge_requests_at",
                any="tags metadata sse",
            ),
        ),
    },
)

SHAPE = section(
    "app.Config",
    fields(
        string="target http_api_prefix",
        bool="auth_enabled multitenancy_enabled stream_over_http_enabled autocomplete_filtering_enabled "
        "enable_go_runtime_metrics",
        duration="shutdown_delay",
        any="ingester_client metrics_generator_client overrides cache usage_report internal_server querier "
        "query_frontend metrics_generator live_store block_builder backend_scheduler backend_worker",
    )
    | {
        "server": SERVER,
        "distributor": _DISTRIBUTOR,
        "ingester": _INGESTER,
        "compactor": section(
            "compactor.Config",
            fields(string="override_ring_key", bool="disabled")
            | {"ring": ring("compactor.RingConfig"), "compaction": _COMPACTION},
        ),
        "storage": section("storage.Config", {"trace": _TRACE}),
        "memberlist": MEMBERLIST,
        "querier_client": GRPC_CLIENT,
    },
)
