"""Where runs are remembered and environments are locked."""
