"""
A map of glitches
=================

A net that was trained on photographs, without its last layer, turns each glitch into a list of
numbers. Neighbors in a map of these numbers look alike: glitches of one kind gather, and what
is new or mislabeled shows, before a single label was used.

With the environment variable ``SKGLITCH_DATA`` naming a folder of Gravity Spy pictures, the example
shows these. Otherwise it simulates some.
"""

# %%
# Glitches
# --------
# ``X`` has the shape (glitches, views, frequencies, times). In a folder of pictures the names of
# the class folders are the labels; here they only choose the colors of the map.

import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neighbors import NearestNeighbors

from skglitch import TruncatedCNNTransformer
from skglitch.datasets import load_gravity_spy, make_glitches
from skglitch.display import EmbeddingDisplay, GalleryDisplay

CLASSES = ["Blip", "Koi_Fish", "Scattered_Light", "Whistle"]
if folder := os.environ.get("SKGLITCH_DATA"):
    glitches = load_gravity_spy(folder, durations=None)
else:
    glitches = make_glitches(
        120, classes=CLASSES, weights="balanced", durations=(1.0,), random_state=0
    )
X, y = glitches.data, glitches.target

# %%
# Numbers for each glitch
# -----------------------
# No training: the weights are those that were learnt from photographs.

embeddings = TruncatedCNNTransformer().fit_transform(X)
print(f"{embeddings.shape[1]} numbers for each of {len(embeddings)} glitches")

# %%
# The map
# -------
# t-SNE lays the glitches out in a plane, so that near ones stay near. Markers differ as colors do.

EmbeddingDisplay.from_embeddings(embeddings, y, title=f"{len(X)} glitches, no label used")
plt.show()

# %%
# What is near what
# -----------------
# The first glitch and those most like it, by the angle between their numbers.

nearest = NearestNeighbors(n_neighbors=8, metric="cosine").fit(embeddings)
_, rows = nearest.kneighbors(embeddings[:1])
GalleryDisplay.from_data(X, y, indices=rows[0], durations=glitches.durations)
plt.show()

# %%
# How often the nearest glitch is of the same class, if there are labels: a first measure of what
# such numbers are worth.

if y is not None:
    _, rows = nearest.kneighbors(n_neighbors=1)
    print(f"the nearest glitch is of the same class for {np.mean(y[rows[:, 0]] == y):.0%}")
