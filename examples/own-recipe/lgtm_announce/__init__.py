"""A recipe and a step kind outside lgtm-deploy."""
