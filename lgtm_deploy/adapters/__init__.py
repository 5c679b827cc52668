"""The outside world: one SDK a file, its errors translated."""
