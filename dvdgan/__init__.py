"""DVD-GAN: train, watch and evaluate the class-conditional video GAN of Clark, Donahue and Simonyan (2019)."""

__version__ = "0.1.0"
