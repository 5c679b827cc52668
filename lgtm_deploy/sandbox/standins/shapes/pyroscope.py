"""Which keys does Pyroscope's config file know? (docs: pyroscope/latest/configure-server)."""

from __future__ import annotations

from collections.abc import Mapping

from ..strict_yaml import Kind
from .common import FILESYSTEM, GRPC_CLIENT, MEMBERLIST, RUNTIME_CONFIG, S3, SERVER, fields, section

_STORAGE = section(
    "phlare.StorageConfig",
    fields(string="backend", any="gcs azure swift cos")
    | {"s3": S3, "filesystem": FILESYSTEM, "storage_prefix": "string"},
)

_LIMITS = section(
    "validation.plain",
    fields(
        float="ingestion_rate_mb ingestion_burst_size_mb",
        int="max_label_name_length max_label_value_length max_label_names_per_series max_sessions_per_series "
        "max_profile_size_bytes max_profile_stacktrace_samples max_local_series_per_tenant "
        "max_global_series_per_tenant "
        "max_query_parallelism max_flamegraph_nodes_default max_flamegraph_nodes_max ingestion_tenant_shard_size",
        duration="max_query_length max_query_lookback reject_older_than reject_newer_than split_queries_by_interval "
        "compactor_blocks_retention_period",
        string="write_path",
        any="distributor_usage_groups ingestion_relabeling_rules",
    ),
)

_FIRST: Mapping[str, Kind] = fields(
    string="target",
    bool="multitenancy_enabled show_banner",
    duration="shutdown_delay",
    any="frontend frontend_worker querier query_scheduler ingester store_gateway compactor overrides_exporter "
    "embedded_grafana tenant_settings distributor",
) | {
    "server": SERVER,
    "api": section("api.Config", fields(string="base-url")),
    "memberlist": MEMBERLIST,
    "runtime_config": RUNTIME_CONFIG,
    "storage": _STORAGE,
    "limits": _LIMITS,
    "analytics": section(
        "usagestats.Config", fields(bool="reporting_enabled", string="usage_stats_url", any="backoff")
    ),
    "tracing": section("tracing.Config", fields(bool="enabled profiling_enabled")),
    "self_profiling": section(
        "phlare.SelfProfilingConfig",
        fields(
            bool="disable_push use_k6_middleware", int="mutex_profile_fraction block_profile_rate", string="tenant_id"
        ),
    ),
    "pyroscopedb": section(
        "phlaredb.Config",
        fields(
            string="data_path",
            duration="max_block_duration",
            int="row_group_target_size symbols_partition_label min_free_disk_gb",
            float="min_disk_available_percentage",
            bool="disable_enforcement",
            any="enforcement_interval",
        ),
    ),
}

SHAPE_1 = section("phlare.Config", _FIRST)

# Blocks that came with the v2 architecture (docs/sources/release-notes/v2-0.md).
SHAPE_2 = section(
    "pyroscope.Config",
    {
        **_FIRST,
        "architecture_storage": "string",
        "metastore": section(
            "metastore.Config",
            fields(string="address data_dir", any="raft index grpc_client_config compaction")
            | {"min_ready_duration": "duration"},
        ),
        "query_backend": section(
            "querybackend.Config",
            fields(string="address", duration="client_timeout") | {"grpc_client_config": GRPC_CLIENT},
        ),
        "segment_writer": section(
            "segmentwriter.Config",
            fields(duration="segment_duration", any="lifecycler upload grpc_client_config metadata_update_timeout"),
        ),
        "compaction_worker": "any",
        "adaptive_placement": "any",
        "symbolizer": "any",
    },
)
