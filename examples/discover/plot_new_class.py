"""
A class that training never saw
===============================

A net is fine-tuned on some classes of simulated glitches, and then shown one more: Reverse_Chirp,
the mirror of Chirp in time. With its last layer cut off, does the new class stand out? It is the
experiment of Figure 2 of `George, Shen and Huerta (2017) <https://arxiv.org/abs/1706.07446>`_, with
far fewer glitches. The first argument is a file that the figure goes to.
"""

# %%
# Glitches
# --------
# As many of each class, two fifths of the known ones kept from training. The new class is in no
# training set.

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.datasets import make_glitches
from skglitch.discovery import NewClassFinder, NoveltyDetector

KNOWN = ["Blip", "Chirp", "Koi_Fish", "Scattered_Light", "Tomte"]
NEW = "Reverse_Chirp"
glitches = make_glitches(
    250, classes=KNOWN, weights="balanced", durations=(1.0,), random_state=0, n_jobs=2
)
new = make_glitches(25, classes=[NEW], durations=(1.0,), random_state=1, n_jobs=2)
X_train, X_test, y_train, y_test = train_test_split(
    glitches.data, glitches.target, test_size=0.4, stratify=glitches.target, random_state=0
)

# %%
# Embeddings
# ----------
# Of what was kept from training and of the new class.

classifier = CNNClassifier(random_state=0).fit(X_train, y_train)
transformer = TruncatedCNNTransformer(classifier).fit(X_train)
X = np.concatenate([X_test, new.data])
y = np.concatenate([y_test, new.target])
embeddings = transformer.transform(X)

# %%
# Is it anything known?
# ---------------------
# The detector learns from the glitches of training. Its threshold comes from half of those that
# were kept from it, since a net embeds what it was trained on more tightly than other glitches.

detector = NoveltyDetector(false_alarm_rate=0.05).fit(transformer.transform(X_train), y_train)
calibration = np.arange(len(y_test)) % 2 == 0
detector.calibrate(embeddings[: len(y_test)][calibration])
is_novel = detector.predict(embeddings) == -1
others = is_novel[: len(y_test)][~calibration]
print(f"called novel: {is_novel[y == NEW].mean():.0%} of {NEW}, {others.mean():.0%} of the others")

# %%
# Which class is it like?
# -----------------------
# t-SNE in three dimensions, as in the paper, and clusters in it. Labels of known glitches name
# clusters; those of the new class are not told. With so few glitches, clusters of classes that are
# alike may run together: "mixed" is a cluster of several known ones.

labels = np.where(y == NEW, "", y)
finder = NewClassFinder(reducer="tsne", n_components=3, random_state=0).fit(embeddings, labels)
print(finder.summary())
for cluster in finder.new_clusters_:
    members = y[finder.labels_ == cluster.label]
    alike = cluster.nearest_classes[0][0]
    print(f"new: {cluster.size} glitches, {np.mean(members == NEW):.0%} {NEW}, most like {alike}")

# %%
# The map
# -------
# On the right a typical member of the largest new cluster, and one of the known class most alike.

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000")
MARKS = "os^DvX"

figure = plt.figure(figsize=(10, 6), layout="constrained")
grid = figure.add_gridspec(2, 2, width_ratios=(2, 1))
space = figure.add_subplot(grid[:, 0], projection="3d")
for label, color, mark in zip([*KNOWN, NEW], COLORS, MARKS, strict=True):
    space.scatter(*finder.places_[y == label].T, c=color, marker=mark, s=30, label=label)
space.set(xticklabels=[], yticklabels=[], zticklabels=[])
space.set_title(f"t-SNE of embeddings: {NEW} was in no training set", fontsize="medium")
space.legend(loc="upper left", fontsize="small", frameon=False)
if finder.new_clusters_:
    largest = finder.new_clusters_[0]
    alike = largest.nearest_classes[0][0]
    shown = {
        f"new cluster, {largest.size} glitches": largest.typical[0],
        f"most alike: {alike}": np.flatnonzero(y == alike)[0],
    }
    for row, (title, number) in enumerate(shown.items()):
        ax = figure.add_subplot(grid[row, 1])
        extent = (-0.5, 0.5, np.log2(10), np.log2(2048))
        image = ax.imshow(X[number, -1] / 10, extent=extent, aspect="auto", vmin=0, vmax=25.5)
        ax.set_yticks(np.log2([16, 128, 1024]), ["16", "128", "1024"])
        ax.set(xlabel="time [s]", ylabel="frequency [Hz]")
        ax.set_title(title, fontsize="medium")
        figure.colorbar(image, ax=ax, label="normalised energy")
if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=100)
plt.show()
