"""The local AWS: a Docker Engine, a cloud that tells the truth, and the stack in it."""
