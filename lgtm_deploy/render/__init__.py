"""Showing a run: to a person, to a log, to a program."""
