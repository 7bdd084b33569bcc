"""The pipeline's stages, one file each."""
