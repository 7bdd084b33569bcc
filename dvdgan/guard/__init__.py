"""Supervision of a run: verdicts on its checkpoints, and rollbacks. Does not import torch."""
