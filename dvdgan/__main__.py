"""`python -m dvdgan` is `dvdgan`."""

from dvdgan.cli import main

main()
