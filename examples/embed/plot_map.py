"""
A map of glitches
=================

A pretrained CNN without its last layer turns each glitch into an embedding, a vector of features.
In a 2-D map of the embeddings, similar glitches lie close together. Clusters, outliers and wrong
labels become visible before a single label is used.

If the environment variable ``SKGLITCH_DATA`` names a folder of Gravity Spy images, the example
uses it. Otherwise it simulates glitches.
"""

# %%
# Glitches
# --------
# ``X`` has shape (glitches, views, frequencies, times). In a folder of images, the names of the
# subfolders are the labels. Here they only set the colors of the map.

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
# Embeddings
# ----------
# There is no training: the weights are those learned on ImageNet.

embeddings = TruncatedCNNTransformer().fit_transform(X)
print(f"{len(embeddings)} embeddings of {embeddings.shape[1]} features")

# %%
# The map
# -------
# t-SNE maps the embeddings to two dimensions and keeps neighbors together. Each class has its own
# color and marker.

EmbeddingDisplay.from_embeddings(embeddings, y, title=f"{len(X)} glitches, no labels used")
plt.show()

# %%
# Nearest neighbors
# -----------------
# The first glitch and its nearest neighbors by cosine similarity.

nearest = NearestNeighbors(n_neighbors=8, metric="cosine").fit(embeddings)
_, rows = nearest.kneighbors(embeddings[:1])
GalleryDisplay.from_data(X, y, indices=rows[0], durations=glitches.durations)
plt.show()

# %%
# The fraction of glitches whose nearest neighbor has the same label is a first measure of the
# quality of the embeddings.

if y is not None:
    _, rows = nearest.kneighbors(n_neighbors=1)
    print(f"{np.mean(y[rows[:, 0]] == y):.0%} have a nearest neighbor of the same class")
