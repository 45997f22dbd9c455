"""
Quick clusters of unlabeled glitches
=====================================

A night's worth of triggers, no label, no training, and the question what kinds of glitches there
are. Features of a net that was trained on photographs, and scikit-learn's clustering after them in
one pipeline, give a first answer within a minute, and a picture of each kind to look at.
"""

# %%
# Glitches without labels
# -----------------------
# Eight classes are simulated, thirty of each. What they are is only used in the end, to see how
# good the clusters are.

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.pipeline import Pipeline

from skglitch import TruncatedCNNTransformer
from skglitch.datasets import make_glitches
from skglitch.display import EmbeddingDisplay, GalleryDisplay
from skglitch.metrics import clustering_table

CLASSES = [
    "Chirp",
    "Extremely_Loud",
    "Helix",
    "Koi_Fish",
    "Low_Frequency_Burst",
    "Scattered_Light",
    "Tomte",
    "Whistle",
]
X, y = make_glitches(
    240,
    classes=CLASSES,
    weights="balanced",
    durations=(2.0,),
    random_state=0,
    n_jobs=2,
    return_X_y=True,
)

# %%
# A pipeline that ends in clusters
# --------------------------------
# The net, the twenty directions in which glitches differ most, and k-means, which has to be told
# how many clusters there are.

start = time.perf_counter()
pipeline = Pipeline(
    [
        ("embed", TruncatedCNNTransformer()),
        ("pca", PCA(20, random_state=0)),
        ("cluster", KMeans(len(CLASSES), n_init=10, random_state=0)),
    ]
)
clusters = pipeline.fit_predict(X)
print(f"{len(X)} glitches in {len(set(clusters))} clusters: {time.perf_counter() - start:.0f} s")

# %%
# What is in them
# ---------------
# The glitch nearest to the middle of each cluster. With one look at each, an expert has named them
# all.

distances = pipeline.transform(X)
middle = distances.argmin(axis=0)
display = GalleryDisplay(
    X[middle, 0],
    [f"cluster {number}, {size} glitches" for number, size in enumerate(np.bincount(clusters))],
    duration=2.0,
)
display.plot()
plt.show()

# %%
# How good they are
# -----------------
# Now the labels: each cluster is named after the class that most of it is of.

print(clustering_table(y, clusters))

# %%
# Without the number of clusters
# ------------------------------
# HDBSCAN looks for dense groups and finds their number itself, after t-SNE has drawn neighbors
# together. Glitches between the groups are left out. What counts as a group is still a choice: the
# smallest size of one decides whether classes that touch run together.

features = pipeline[:-1].transform(X)
places = TSNE(random_state=0).fit_transform(features)
for smallest in (5, 8, 10):
    groups = HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(places)
    print(f"groups of {smallest} or more: {groups.max() + 1}, left out: {np.sum(groups == -1)}")

# %%
# The map
# -------
# Left what k-means made, right the classes. A cluster is not always one class, nor is a class
# always one cluster: look before you name.

figure = plt.figure(figsize=(10, 5), layout="constrained")
left, right = figure.subplots(1, 2)
EmbeddingDisplay(places, clusters, title="clusters", method="t-SNE").plot(left)
EmbeddingDisplay(places, y, title="classes", method="t-SNE").plot(right)
plt.show()
