"""
Cluster unlabeled glitches
==========================

Given one night of triggers and no labels, what classes of glitches are there? Pretrained features
and scikit-learn's clustering estimators in one pipeline give a first answer within a minute,
without any training.
"""

# %%
# Glitches without labels
# -----------------------
# Thirty simulated glitches of each of eight classes. The labels are used only at the end, to
# evaluate the clusters.

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
# Embeddings, the first 20 principal components, and k-means, which needs the number of clusters.

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
# The glitch nearest to the center of each cluster. An expert can name the clusters from these.

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
# Evaluation
# ----------
# Each cluster is assigned to its most frequent class.

table = clustering_table(y, clusters)
print(table.round(3))
print(f"adjusted Rand index: {table.attrs['adjusted_rand']:.2f}")

# %%
# An unknown number of clusters
# -----------------------------
# HDBSCAN finds dense regions and their number. t-SNE first pulls neighbors together. Glitches
# between the clusters are left out. The minimum cluster size is still a choice: it decides whether
# neighboring classes merge.

features = pipeline[:-1].transform(X)
coordinates = TSNE(random_state=0).fit_transform(features)
for smallest in (5, 8, 10):
    groups = HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(coordinates)
    print(f"groups of {smallest} or more: {groups.max() + 1}, left out: {np.sum(groups == -1)}")

# %%
# The map
# -------
# Left: clusters found by k-means. Right: true classes. The colors of the two panels are unrelated.
# A cluster is not always one class, and a class is not always one cluster, so look at the glitches
# before you name a cluster.

figure = plt.figure(figsize=(10, 5), layout="constrained")
left, right = figure.subplots(1, 2)
EmbeddingDisplay(coordinates, clusters, title="clusters", method="t-SNE").plot(left)
EmbeddingDisplay(coordinates, y, title="classes", method="t-SNE").plot(right)
plt.show()
