"""Numbers for clips: features, statistics, distances, and the protocol each number belongs to."""
