"""What answers in the sandbox like Grafana, Loki, Mimir, Tempo and Pyroscope? Imports nothing of lgtm_deploy."""
