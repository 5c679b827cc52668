"""Which keys does Mimir's config file know? (docs: mimir/latest/configure/configuration-parameters)."""

from __future__ import annotations

from .common import FILESYSTEM, MEMBERLIST, RUNTIME_CONFIG, S3, SERVER, fields, ring, section

_BUCKET = fields(string="backend storage_prefix") | {
    "s3": S3,
    "filesystem": FILESYSTEM,
    "gcs": "any",
    "azure": "any",
    "swift": "any",
    "local": "any",
}

_TSDB = section(
    "tsdb.TSDBConfig",
    fields(
        string="dir",
        duration="retention_period ship_interval head_compaction_interval head_compaction_idle_timeout "
        "block_postings_for_matchers_cache_ttl close_idle_tsdb_timeout",
        int="ship_concurrency head_compaction_concurrency head_chunks_write_buffer_size_bytes stripe_size "
        "wal_segment_size_bytes max_tsdb_opening_concurrency_on_startup",
        bool="wal_compression_enabled flush_blocks_on_shutdown memory_snapshot_on_shutdown",
        list="block_ranges_period",
    ),
)

_LIMITS = section(
    "validation.plainLimits",
    fields(
        float="ingestion_rate request_rate ruler_evaluation_delay_factor",
        int="ingestion_burst_size request_burst_size max_global_series_per_user max_global_series_per_metric "
        "max_label_names_per_series max_label_name_length max_label_value_length max_global_exemplars_per_user "
        "max_fetched_series_per_query max_query_parallelism ingestion_tenant_shard_size "
        "store_gateway_tenant_shard_size "
        "compactor_split_and_merge_shards",
        duration="compactor_blocks_retention_period out_of_order_time_window creation_grace_period max_query_lookback "
        "max_partial_query_length max_total_query_length max_cache_freshness",
        bool="accept_ha_samples native_histograms_ingestion_enabled",
        string="ha_cluster_label ha_replica_label",
        any="metric_relabel_configs",
    ),
)

SHAPE = section(
    "mimir.Config",
    fields(
        string="target no_auth_tenant",
        bool="multitenancy_enabled enable_go_runtime_metrics",
        duration="shutdown_delay",
        int="max_separate_metrics_groups_per_user",
        any="api activity_tracker vault tenant_federation ingester_client querier frontend frontend_worker "
        "query_scheduler overrides_exporter usage_stats timeseries ruler ingest_storage cost_attribution",
    )
    | {
        "server": SERVER,
        "memberlist": MEMBERLIST,
        "runtime_config": RUNTIME_CONFIG,
        "limits": _LIMITS,
        "common": section("mimir.CommonConfig", {"storage": section("bucket.StorageBackendConfig", _BUCKET)}),
        "blocks_storage": section(
            "tsdb.BlocksStorageConfig",
            _BUCKET | {"tsdb": _TSDB, "bucket_store": "any"},
        ),
        "ruler_storage": section("rulestore.Config", _BUCKET | {"cache": "any"}),
        "alertmanager_storage": section("alertstore.Config", dict(_BUCKET)),
        "alertmanager": section(
            "alertmanager.MultitenantAlertmanagerConfig",
            fields(
                string="data_dir external_url fallback_config_file",
                bool="enable_api",
                duration="retention poll_interval",
            )
            | {"sharding_ring": ring("alertmanager.RingConfig")},
        ),
        "distributor": section(
            "distributor.Config",
            fields(duration="remote_timeout", int="max_recv_msg_size", any="pool ha_tracker retry_after_header")
            | {"ring": ring("distributor.RingConfig"), "instance_limits": "any"},
        ),
        "ingester": section(
            "ingester.Config",
            {"ring": ring("ingester.RingConfig"), "instance_limits": "any", "push_circuit_breaker": "any"},
        ),
        "compactor": section(
            "compactor.Config",
            fields(
                string="data_dir compaction_jobs_order",
                duration="compaction_interval cleanup_interval deletion_delay",
                int="compaction_concurrency block_sync_concurrency meta_sync_concurrency",
                list="block_ranges",
            )
            | {"sharding_ring": ring("compactor.RingConfig")},
        ),
        "store_gateway": section("storegateway.Config", {"sharding_ring": ring("storegateway.RingConfig")}),
    },
)
