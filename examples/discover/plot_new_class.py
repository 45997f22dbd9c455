"""
A class missing from the training set
=====================================

Fine-tune a CNN on seven classes of simulated glitches, then show it an eighth: Reverse_Chirp,
which is Chirp reversed in time. Does the new class stand out in the embeddings? This repeats the
experiment of Figure 2 of `George, Shen and Huerta (2017) <https://arxiv.org/abs/1706.07446>`_
with far fewer glitches.
"""

# %%
# Glitches
# --------
# Half of the known glitches are held out. The training set does not contain the new class. The 0.5
# s view resolves the rise of a chirp best.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.datasets import make_glitches
from skglitch.discovery import NewClassFinder, NoveltyDetector
from skglitch.display import EmbeddingDisplay, GalleryDisplay

KNOWN = ["Blip", "Chirp", "Helix", "Koi_Fish", "Scattered_Light", "Tomte", "Whistle"]
NEW = "Reverse_Chirp"
known = make_glitches(
    280, classes=KNOWN, weights="balanced", durations=(0.5,), random_state=0, n_jobs=2
)
new = make_glitches(40, classes=[NEW], durations=(0.5,), random_state=1, n_jobs=2)
X_train, X_test, y_train, y_test = train_test_split(
    known.data, known.target, test_size=0.5, stratify=known.target, random_state=0
)

# %%
# Predictions
# -----------
# The classifier cannot predict the new class. It assigns most of these glitches to the class that
# they resemble.

classifier = CNNClassifier(random_state=0).fit(X_train, y_train)
print(f"accuracy on known classes: {classifier.score(X_test, y_test):.0%} of {len(y_test)}")
for name, count in zip(*np.unique(classifier.predict(new.data), return_counts=True), strict=True):
    print(f"{NEW} classified as {name}: {count}")

# %%
# Embeddings
# ----------
# t-SNE maps the embeddings to a plane. Most of the new class lies next to Chirp.

transformer = TruncatedCNNTransformer(classifier).fit(X_train)
X = np.concatenate([X_test, new.data])
y = np.concatenate([y_test, new.target])
embeddings = transformer.transform(X)
EmbeddingDisplay.from_embeddings(embeddings, y, title=f"{NEW} is not in the training set")
plt.show()

# %%
# A map is only a rough summary. The nearest neighbors in the full embedding space give numbers.

is_new = y == NEW
neighbors = NearestNeighbors(n_neighbors=5, metric="cosine").fit(embeddings)
rows = neighbors.kneighbors(return_distance=False)
print(f"{np.mean(is_new[rows[is_new]]):.0%} of the 5 nearest neighbors of {NEW} are {NEW}")
rows = neighbors.fit(embeddings[~is_new]).kneighbors(embeddings[is_new], return_distance=False)
print(f"{np.mean(y_test[rows] == 'Chirp'):.0%} of the 5 nearest known glitches are Chirp")

# %%
# Novelty detection
# -----------------
# The detector is fitted to the training set. Its threshold is calibrated on half of the held-out
# known glitches, because a net embeds its training set more tightly than other glitches. Glitches
# that resemble a known class are hard to detect one at a time. Averaging scores over similar
# glitches detects more of them.

seen = transformer.transform(X_train)
detector = NoveltyDetector(false_alarm_probability=0.05, random_state=0).fit(seen, y_train)
for n_together in (1, 6):
    detector.set_params(n_together=n_together).calibrate(embeddings[~is_new][::2])
    is_novel = detector.predict(embeddings) == -1
    others = is_novel[~is_new][1::2]
    print(
        f"n_together={n_together}: {is_novel[is_new].mean():.0%} of {NEW} "
        f"and {others.mean():.0%} of known glitches are called novel"
    )

# %%
# Finding the new class
# ---------------------
# Only the training set has labels. Each unlabeled glitch is assigned to a known class or to a new
# cluster. Clusters with a stability below 0.6 are not to be trusted and are left out below.

everything = np.concatenate([seen, embeddings])
labels = np.concatenate([y_train, np.repeat("", len(embeddings))])
finder = NewClassFinder(random_state=0).fit(everything, labels)
print(finder.clusters_[["kind", "class", "size", "stability", "nearest_1"]])
trusted = finder.new_clusters_.query("stability >= 0.6")
found = np.isin(finder.labels_, trusted.index)[len(seen) :]
print(
    f"in trusted new clusters: {found[is_new].mean():.0%} of {NEW}, "
    f"{found[~is_new].mean():.0%} of known glitches"
)

# %%
# Typical members of the trusted clusters, and chirps for comparison.

rows = [row for members in trusted["typical"] for row in members[:4]]
chirps = len(seen) + np.flatnonzero(y == "Chirp")[:4]
pictures, names = np.concatenate([X_train, X]), np.concatenate([y_train, y])
GalleryDisplay.from_data(pictures, names, indices=[*rows, *chirps], durations=(0.5,))
plt.show()
