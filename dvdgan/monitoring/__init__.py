"""In which respects generated clips have drifted from real ones."""
