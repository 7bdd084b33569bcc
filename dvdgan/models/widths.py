"""Layer constants: channels of every stage, in units of ch (paper A.2)."""

# The first constant is the width of the recurrence at 4 x 4; every further one is a stage that
# doubles the resolution. 64: the paper's; 32, for small runs: ours.
GENERATOR: dict[int, tuple[int, ...]] = {
    32: (8, 8, 4, 2),
    64: (8, 8, 8, 4, 2),
}

# One residual block each; all but the last halve the resolution. 64: the paper's; 32: ours.
DISCRIMINATOR: dict[int, tuple[int, ...]] = {
    32: (4, 8, 16, 16),
    64: (2, 4, 8, 16, 16),
}
