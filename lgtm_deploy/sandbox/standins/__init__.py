"""Stand-ins of Grafana, Loki, Mimir, Tempo and Pyroscope for the sandbox. Imports nothing of lgtm_deploy."""
