"""The step kinds: one file each, with typed inputs and outputs."""
