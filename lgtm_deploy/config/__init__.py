"""From the files a user writes to the core's own types."""
