"""The model bundle: what training leaves for others to sample from."""
