"""Array types used throughout."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
"""An array of floats."""
Flags: TypeAlias = NDArray[np.bool_]
"""An array of booleans."""
