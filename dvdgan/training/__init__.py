"""Training: losses, state, steps, checkpoints and the training loop."""
