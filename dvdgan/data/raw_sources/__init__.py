"""The layouts in which data sets are published, each read into the one general table."""
