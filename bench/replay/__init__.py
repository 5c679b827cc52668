"""Replay of the recorded servers against the stand-ins.

Holds the command `python -m bench.replay`. The stand-ins themselves are in `lgtm_deploy.sandbox.standins`.
"""
