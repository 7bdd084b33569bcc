"""Prefect: when, where, and what to do when it goes wrong. DVC owns what depends on what."""
