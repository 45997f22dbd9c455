"""Draw map.png: one glitch per class, and a map of the embeddings of all glitches.

    python docs/images/map.py FOLDER

FOLDER contains Gravity Spy pictures with the 4 s view.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from skglitch import TruncatedCNNTransformer
from skglitch.datasets import load_gravity_spy
from skglitch.display import EmbeddingDisplay, GalleryDisplay

X, y = load_gravity_spy(sys.argv[1], durations=(4.0,), return_X_y=True)
figure = Figure(figsize=(10, 6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(3.4, 6.6))
first = [int(np.flatnonzero(y == name)[0]) for name in np.unique(y)]
GalleryDisplay(X[first, 0], y[first], 4.0).plot(left, n_columns=1)
EmbeddingDisplay.from_embeddings(
    TruncatedCNNTransformer().fit_transform(X),
    y,
    title=f"{len(X)} glitches, no label used",
    ax=right,
)
figure.savefig(Path(__file__).with_suffix(".png"), dpi=100)
