"""Train, watch and evaluate DVD-GAN (Clark, Donahue and Simonyan, 2019)."""

__version__ = "0.1.0"
