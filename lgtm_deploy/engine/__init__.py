"""Running a graph of steps: order, attempts, waits and compensation."""
