"""Kills the real process on the local AWS, goes on or undoes, and holds what is there against goal and start."""
