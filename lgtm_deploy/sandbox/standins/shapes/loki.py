"""Which keys does Loki's config file know? (docs: loki/latest/configure)."""

from __future__ import annotations

from .common import KVSTORE, MEMBERLIST, RUNTIME_CONFIG, SERVER, fields, ring, section

_COMMON = section(
    "common.Config",
    fields(
        string="path_prefix instance_addr compactor_address compactor_grpc_address",
        int="replication_factor",
        bool="persist_tokens instance_enable_ipv6",
        list="instance_interface_names",
        any="storage",
    )
    | {"ring": ring("util.RingConfig")},
)

_SCHEMA = section("config.SchemaConfig", fields(list="configs"))

_LIMITS = section(
    "validation.plain",
    fields(
        duration="retention_period reject_old_samples_max_age creation_grace_period query_timeout "
        "split_queries_by_interval "
        "max_query_length max_query_lookback max_cache_freshness_per_query",
        bool="reject_old_samples allow_structured_metadata enforce_metric_name volume_enabled unordered_writes "
        "increment_duplicate_timestamp discover_log_levels",
        int="max_line_size max_streams_per_user max_global_streams_per_user max_label_names_per_series "
        "max_entries_limit_per_query max_query_parallelism max_query_series max_label_name_length "
        "max_label_value_length",
        float="ingestion_rate_mb ingestion_burst_size_mb",
        string="ingestion_rate_strategy per_stream_rate_limit per_stream_rate_limit_burst",
        list="retention_stream discover_service_name",
        any="otlp_config shard_streams deletion_mode",
    ),
)

SHAPE = section(
    "loki.ConfigWrapper",
    fields(
        string="target http_prefix ballast_bytes",
        bool="auth_enabled use_buffered_logger use_sync_logger",
        duration="shutdown_delay",
        any="query_range query_scheduler frontend frontend_worker storage_config chunk_store_config "
        "table_manager ruler "
        "ruler_storage tracing analytics operational_config pattern_ingester bloom_build bloom_gateway distributor "
        "querier ingester_client index_gateway ui kafka_config ingest_limits",
    )
    | {
        "server": SERVER,
        "common": _COMMON,
        "schema_config": _SCHEMA,
        "limits_config": _LIMITS,
        "memberlist": MEMBERLIST,
        "runtime_config": RUNTIME_CONFIG,
        "ingester": section(
            "ingester.Config",
            fields(
                duration="chunk_idle_period chunk_retain_period max_chunk_age flush_check_period flush_op_timeout "
                "sync_period",
                int="concurrent_flushes chunk_block_size chunk_target_size max_returned_stream_errors",
                string="chunk_encoding",
                bool="autoforget_unhealthy",
                any="lifecycler wal",
            ),
        ),
        "compactor": section(
            "compactor.Config",
            fields(
                string="working_directory delete_request_store",
                duration="compaction_interval retention_delete_delay delete_request_cancel_period "
                "apply_retention_interval",
                bool="retention_enabled run_once",
                int="retention_delete_worker_count upload_parallelism max_compaction_parallelism",
            )
            | {"compactor_ring": ring("util.RingConfig"), "kvstore": KVSTORE},
        ),
    },
)
