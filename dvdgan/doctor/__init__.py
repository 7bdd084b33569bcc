"""`dvdgan doctor`: checks of the machine before a long run, a line for each."""
