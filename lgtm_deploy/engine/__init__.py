"""Runs a graph of steps: scheduling, retries, gates, leases and rollback."""
