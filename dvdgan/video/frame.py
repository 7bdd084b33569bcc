"""What a frame is."""

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB in [0, 255]."""
