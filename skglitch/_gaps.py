"""Which samples of strain are gaps."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# A run of a single value is a gap from this duration in s and number of samples on. Noise in
# integers repeats a value for a few samples. Of a wave of one step at 10 Hz, the lowest frequency
# of interest, it does so for half a period, 0.05 s. Zeros that are shorter and outside the view
# change a signal-to-noise ratio of 16 in real strain by at most 1.
_SHORTEST, _FEWEST = 1 / 16, 32


def find_gaps(values: NDArray, sample_rate: float) -> NDArray[np.bool_]:
    """Return a mask of the samples that are not finite or in a long run of a single value."""
    gaps = ~np.isfinite(values)
    n_fewest = max(_FEWEST, math.ceil(_SHORTEST * sample_rate))
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    if len(values) - len(changes) >= n_fewest:
        lengths = np.diff(changes, prepend=0, append=len(values))
        gaps |= np.repeat(lengths >= n_fewest, lengths)
    return gaps


def describe_gaps(values: NDArray) -> str:
    """Say what the samples in gaps are."""
    if not np.isfinite(values).any():
        return "NaN"
    return f"NaN or a single value for {_SHORTEST:g} s or longer"
