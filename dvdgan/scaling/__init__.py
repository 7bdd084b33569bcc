"""Predicts how long a run takes on more GPUs, and what limits it, from measured numbers."""
