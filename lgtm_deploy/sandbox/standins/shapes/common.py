"""Which config blocks do Loki, Mimir, Tempo and Pyroscope share? Those of grafana/dskit."""

from __future__ import annotations

from collections.abc import Mapping

from ..strict_yaml import Kind, Section


def fields(**kinds: str) -> dict[str, Kind]:
    """Spell many fields of one kind in a line: `fields(string="a b", int="c")`."""
    return {name: kind for kind, names in kinds.items() for name in names.split()}


def section(type_name: str, known: Mapping[str, Kind]) -> Section:
    """A struct and its fields."""
    return Section(type_name, known)


TLS: dict[str, Kind] = fields(
    string="cert_file key_file client_auth_type client_ca_file client_ca cert key",
)

SERVER = section(
    "server.Config",
    fields(
        string="http_listen_network http_listen_address grpc_listen_network grpc_listen_address tls_cipher_suites "
        "tls_min_version log_format log_level log_source_ips_header log_source_ips_regex path_prefix http_path_prefix "
        "log_request_exclude_headers_list",
        int="http_listen_port http_listen_conn_limit grpc_listen_port grpc_listen_conn_limit "
        "grpc_server_max_recv_msg_size grpc_server_max_send_msg_size grpc_server_max_concurrent_streams "
        "grpc_server_num_workers",
        bool="proxy_protocol_enabled register_instrumentation report_grpc_codes_in_instrumentation_label_enabled "
        "log_source_ips_enabled "
        "log_request_headers log_request_at_info_level_enabled grpc_server_ping_without_stream_allowed "
        "grpc_server_recv_buffer_pools_enabled grpc_collect_max_streams_by_conn log_source_ips_full enable_channelz",
        duration="graceful_shutdown_timeout http_server_read_timeout http_server_read_header_timeout "
        "http_server_write_timeout http_server_idle_timeout grpc_server_max_connection_idle "
        "grpc_server_max_connection_age grpc_server_max_connection_age_grace grpc_server_keepalive_time "
        "grpc_server_keepalive_timeout grpc_server_min_time_between_pings",
    )
    | {"http_tls_config": section("server.TLSConfig", TLS), "grpc_tls_config": section("server.TLSConfig", TLS)},
)

GRPC_CLIENT = section(
    "grpcclient.Config",
    fields(
        int="max_recv_msg_size max_send_msg_size rate_limit_burst initial_stream_window_size "
        "initial_connection_window_size",
        float="rate_limit",
        string="grpc_compression tls_cert_path tls_key_path tls_ca_path tls_server_name tls_cipher_suites "
        "tls_min_version",
        bool="backoff_on_ratelimits tls_enabled tls_insecure_skip_verify connect_with_proxy",
        duration="connect_timeout connect_backoff_base_delay connect_backoff_max_delay",
        any="backoff_config cluster_validation",
    ),
)

MEMBERLIST = section(
    "memberlist.KVConfig",
    fields(
        string="node_name advertise_addr cluster_label compression_algorithm",
        int="retransmit_factor gossip_nodes advertise_port bind_port max_join_retries message_history_buffer_bytes",
        bool="randomize_node_name abort_if_cluster_join_fails abort_if_fast_join_fails compression_enabled tls_enabled "
        "tls_insecure_skip_verify cluster_label_verification_disabled",
        duration="stream_timeout pull_push_interval gossip_interval gossip_to_dead_nodes_time dead_node_reclaim_time "
        "min_join_backoff max_join_backoff rejoin_interval left_ingesters_timeout leave_timeout packet_dial_timeout "
        "packet_write_timeout broadcast_timeout_for_local_updates_on_shutdown",
        list="join_members bind_addr",
    ),
)

KVSTORE = section(
    "kv.Config",
    fields(string="store prefix") | {"consul": "any", "etcd": "any", "multi": "any", "memberlist": "any"},
)

_RING_FIELDS = fields(
    string="instance_id instance_addr instance_availability_zone excluded_zones tokens_file_path",
    int="replication_factor instance_port num_tokens spread_minimizing_zones",
    bool="zone_awareness_enabled unregister_on_shutdown instance_enable_ipv6 auto_forget_enabled",
    duration="heartbeat_period heartbeat_timeout min_ready_duration final_sleep observe_period",
    list="instance_interface_names",
)


def ring(type_name: str) -> Section:
    """A ring of instances, as every distributed part has one."""
    return section(type_name, _RING_FIELDS | {"kvstore": KVSTORE})


RUNTIME_CONFIG = section("runtimeconfig.Config", fields(string="file", duration="period"))

# Neither an S3 nor a filesystem block of these programs has a `prefix`: that is `storage_prefix`, beside it, in Mimir.
S3 = section(
    "s3.Config",
    fields(
        string="endpoint region bucket_name list_objects_version access_key_id secret_access_key session_token "
        "signature_version "
        "storage_class bucket_lookup_type sts_endpoint trace",
        bool="insecure native_aws_auth_enabled force_path_style dualstack_enabled send_content_md5",
        int="part_size",
        any="http sse trace_config",
    ),
)

FILESYSTEM = section("filesystem.Config", fields(string="dir"))
