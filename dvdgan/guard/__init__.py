"""Is the run healthy, and what is done when it is not. No torch: a scheduler can run it."""
