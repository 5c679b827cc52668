"""What answers in the sandbox like Grafana, Loki, Mimir, Tempo and Pyroscope? Runs in a container, imports nothing of ours."""
