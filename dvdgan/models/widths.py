"""Layer constants: channels of every stage, in units of ch (paper A.2)."""

# The first constant is the width of the recurrence at 4 x 4; every further one is a stage that
# doubles the resolution. 64 and 128: the paper's; 256: BigGAN's; 32, for small runs: ours.
GENERATOR: dict[int, tuple[int, ...]] = {
    32: (8, 8, 4, 2),
    64: (8, 8, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
}

# One stage each; all but the last halve the resolution. 64 and 128: the paper's; 256: BigGAN's;
# 32: ours.
DISCRIMINATOR: dict[int, tuple[int, ...]] = {
    32: (4, 8, 16, 16),
    64: (2, 4, 8, 16, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
}
