"""The adversarial game: losses, state, steps, checkpoints, and the loop that plays it."""
