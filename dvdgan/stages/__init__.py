"""The pipeline's stages: one short file per verb."""
