"""
A class that training never saw
===============================

A net is fine-tuned on seven classes of simulated glitches, and then shown one more: Reverse_Chirp,
the mirror of Chirp in time. With its last layer cut off, does the new class stand out? It is the
experiment of Figure 2 of `George, Shen and Huerta (2017) <https://arxiv.org/abs/1706.07446>`_, with
far fewer glitches.
"""

# %%
# Glitches
# --------
# Half of the known ones are kept from training. The new class is in no training set. The view of
# half a second is where a chirp is seen to rise.

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
# What the net says
# -----------------
# It has no word for the new class, and takes most of it for what it was made from.

classifier = CNNClassifier(random_state=0).fit(X_train, y_train)
print(f"known classes: {classifier.score(X_test, y_test):.0%} of {len(y_test)} right")
for name, count in zip(*np.unique(classifier.predict(new.data), return_counts=True), strict=True):
    print(f"{NEW} taken for {name}: {count}")

# %%
# What it sees
# ------------
# Without its last layer, the net gives numbers in place of a name. t-SNE lays these out in three
# dimensions, as in the paper: left all classes, right Chirp and the new class alone. Most of the
# new class lies beside Chirp; a few are nearer to others, for which the net takes them.

transformer = TruncatedCNNTransformer(classifier).fit(X_train)
X = np.concatenate([X_test, new.data])
y = np.concatenate([y_test, new.target])
embeddings = transformer.transform(X)
pair = np.where(np.isin(y, ["Chirp", NEW]), y, "other known classes")
figure = plt.figure(figsize=(12, 5.2), layout="constrained")
left, right = figure.subfigures(1, 2)
display = EmbeddingDisplay.from_embeddings(
    embeddings, y, n_components=3, title=f"{NEW} was in no training set", ax=left
)
EmbeddingDisplay(display.places, pair, method="t-SNE").plot(right, highlight=["Chirp", NEW])
plt.show()

# %%
# A map is a rough summary. Without one: are the neighbors of the new class of its own kind, and of
# which known class are the nearest others?

is_new = y == NEW
neighbors = NearestNeighbors(n_neighbors=5, metric="cosine").fit(embeddings)
rows = neighbors.kneighbors(return_distance=False)
print(f"of the 5 nearest to a {NEW}, {np.mean(is_new[rows[is_new]]):.0%} are {NEW} too")
rows = neighbors.fit(embeddings[~is_new]).kneighbors(embeddings[is_new], return_distance=False)
print(f"of the 5 nearest known glitches, {np.mean(y_test[rows] == 'Chirp'):.0%} are Chirp")

# %%
# Would anybody notice?
# ---------------------
# The detector learns from the glitches of training. Its threshold comes from half of those that
# were kept from it, since a net embeds what it was trained on more tightly than other glitches. One
# at a time, glitches so much like a known class are hard to notice; seen together with those that
# are like them, more of them are noticed.

seen = transformer.transform(X_train)
detector = NoveltyDetector(false_alarm_probability=0.05, random_state=0).fit(seen, y_train)
detector.calibrate(embeddings[~is_new][::2])
for how, predict in (("alone", detector.predict), ("together", detector.predict_together)):
    is_novel = predict(embeddings) == -1
    others = is_novel[~is_new][1::2]
    print(f"novel {how}: {is_novel[is_new].mean():.0%} of {NEW}, {others.mean():.0%} of the others")

# %%
# Would it be found as a class?
# -----------------------------
# Labels of the glitches of training guide the search. Of all others no label is told: they are
# given to known classes, or to clusters that are new. One with a stability below 60 % is not to be
# trusted.

everything = np.concatenate([seen, embeddings])
labels = np.concatenate([y_train, np.repeat("", len(embeddings))])
finder = NewClassFinder(random_state=0).fit(everything, labels)
print(finder.summary())
found = np.isin(finder.labels_, [cluster.label for cluster in finder.new_clusters_])[len(seen) :]
print(f"in new clusters: {found[is_new].mean():.0%} of {NEW}, {found[~is_new].mean():.0%} of known")

# %%
# Typical members of the new clusters, for somebody to give them a name. Below, chirps.

rows = [row for cluster in finder.new_clusters_ for row in cluster.typical][:4]
chirps = len(seen) + np.flatnonzero(y == "Chirp")[:4]
pictures, names = np.concatenate([X_train, X]), np.concatenate([y_train, y])
GalleryDisplay.from_data(pictures, names, indices=[*rows, *chirps], durations=(0.5,))
plt.show()
