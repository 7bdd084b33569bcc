"""Sets of clips from anywhere, for the metrics: folders of videos, array files, shard sets."""
