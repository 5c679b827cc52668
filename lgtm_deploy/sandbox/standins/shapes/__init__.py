"""Which keys does each program's config file know? The common ones, by the vendors' configuration references."""
