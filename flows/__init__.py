"""The Prefect flows: scheduling, remote workers and reactions to failures. DVC manages
dependencies."""
