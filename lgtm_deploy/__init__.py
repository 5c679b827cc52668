"""Deploys an LGTM observability stack on AWS ECS in the one safe order, and can always get back."""

__version__ = "0.1.0"
