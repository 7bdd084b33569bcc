"""Which code moves the numbers of a stage, and whether it changed."""
