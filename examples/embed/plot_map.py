"""
A map of glitches
=================

A net that was trained on photographs, without its last layer, turns each glitch into a list of
numbers. Neighbours in a map of these numbers look alike: glitches of one kind gather, and what
is new or mislabelled shows, before a single label was used.

Give a folder of Gravity Spy pictures, as an argument or in the environment variable
``SKGLITCH_DATA``, to see your own; a second argument is the file that the figure goes to. Without
a folder the script simulates some.
"""

# %%
# Glitches
# --------
# ``X`` has the shape (glitches, views, frequencies, times). In a folder of pictures the names of
# the class folders are the labels; here they only choose the colours of the map.

import os
import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import HDBSCAN
from sklearn.manifold import TSNE

from skglitch import TruncatedCNNTransformer
from skglitch.datasets import load_gravity_spy, make_glitches

CLASSES = ["Blip", "Koi_Fish", "Scattered_Light", "Whistle"]
folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SKGLITCH_DATA")
if folder:
    glitches = load_gravity_spy(folder, durations=None)
    X, durations = glitches.data, glitches.durations
    y = glitches.target if glitches.target is not None else np.full(len(X), "glitch")
else:
    glitches = make_glitches(
        120, classes=CLASSES, weights="balanced", durations=(1.0,), random_state=0
    )
    X, y, durations = glitches.data, glitches.target, glitches.durations

# %%
# Numbers for each glitch
# -----------------------
# No training: the weights are those that were learnt from photographs.

embeddings = TruncatedCNNTransformer().fit_transform(X)
print(f"{embeddings.shape[1]} numbers for each of {len(embeddings)} glitches")

# %%
# Groups without labels
# ---------------------
# t-SNE lays the glitches out in a plane, HDBSCAN looks for dense groups in it. Glitches between
# the groups are in none of them (-1).

perplexity = min(30, (len(X) - 1) / 3)
places = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(embeddings)
groups = HDBSCAN(min_cluster_size=max(5, len(X) // 20), copy=True).fit_predict(places)
for group in np.unique(groups):
    labels, counts = np.unique(y[groups == group], return_counts=True)
    members = ", ".join(f"{count} {label}" for label, count in zip(labels, counts, strict=True))
    print(f"group {group}: {members}")

# %%
# The map
# -------
# Beside it, the glitch in the middle of each class. The colours can be told apart with any kind
# of colour vision, and the marks tell the classes apart without colours.

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = "o^sDvPX"


def plot_glitch(ax, glitch, duration, label, color):
    """Draw the longest view of one glitch as Gravity Spy does."""
    image = ax.imshow(
        glitch / 10,
        extent=(-duration / 2, duration / 2, np.log2(10), np.log2(2048)),
        aspect="auto",
        vmin=0,
        vmax=25.5,
    )
    ticks = (16, 128, 1024)
    ax.set_yticks(np.log2(ticks), [str(tick) for tick in ticks])
    ax.set_title(label, color=color, fontsize="medium", fontweight="bold")
    return image


classes = np.unique(y)
shown = classes[: len(COLORS)]
figure = plt.figure(figsize=(10, 6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1, 2))
axes = left.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
plane = right.subplots()
for ax, label, color, mark in zip(axes, shown, COLORS, MARKS, strict=False):
    members = np.flatnonzero(y == label)
    middle = np.median(embeddings[members], axis=0)
    typical = members[np.linalg.norm(embeddings[members] - middle, axis=1).argmin()]
    image = plot_glitch(ax, X[typical, -1], durations[-1], label, color)
    plane.scatter(*places[members].T, s=36, c=color, marker=mark, alpha=0.75, lw=0, label=label)
axes[-1].set_xlabel("time [s]")
left.supylabel("frequency [Hz]", fontsize="medium")
left.colorbar(image, ax=axes, label="normalised energy", location="right", fraction=0.06)
plane.set(xticks=[], yticks=[], title=f"{len(X)} glitches, no label used")
plane.set_xlabel("t-SNE of the net's features")
plane.legend(frameon=False)
if len(sys.argv) > 2:
    figure.savefig(sys.argv[2], dpi=100)
plt.show()
