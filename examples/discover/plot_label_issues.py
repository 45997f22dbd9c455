"""
Find wrong labels
=================

Labels are assigned by hand, and some are wrong. :func:`~skglitch.discovery.find_label_issues`
compares each label with the prediction of a classifier trained on other glitches and with the
labels of the nearest neighbors. It ranks the labels, so that an expert checks a handful of
glitches instead of thousands.

If the environment variable ``SKGLITCH_DATA`` names a folder of Gravity Spy images, the example
checks its labels. Otherwise it simulates glitches and changes some of their labels.
"""

# %%
# Glitches
# --------
# One in twenty simulated glitches gets the label of another class.

import os

import matplotlib.pyplot as plt
import numpy as np

from skglitch import TruncatedCNNTransformer
from skglitch.datasets import load_gravity_spy, make_glitches
from skglitch.discovery import find_label_issues
from skglitch.display import GalleryDisplay

CLASSES = ["Blip", "Koi_Fish", "Scattered_Light", "Whistle"]
if folder := os.environ.get("SKGLITCH_DATA"):
    glitches = load_gravity_spy(folder, durations=None)
    X, y, true = glitches.data, glitches.target, None
else:
    glitches = make_glitches(
        160, classes=CLASSES, weights="balanced", durations=(1.0,), random_state=0
    )
    X, true = glitches.data, glitches.target
    y = true.copy()
    rng = np.random.default_rng(0)
    for row in rng.choice(len(y), 8, replace=False):
        y[row] = rng.choice([name for name in CLASSES if name != true[row]])

# %%
# The most suspicious labels first
# --------------------------------
# ``score`` is the probability that the label is right. ``neighbors`` is the fraction of the ten
# nearest neighbors that have the same label.

embeddings = TruncatedCNNTransformer().fit_transform(X)
issues = find_label_issues(embeddings, y, random_state=0)
print(issues.head(8).round(2).to_string())

# %%
# Look at them
# ------------
# Each title gives the label, the probability that it is right, and the suggested label.

titles = [
    f"{given}: {score:.0%}\n"
    + (f"suggested: {suggested}" if suggested != given else "label confirmed")
    for given, suggested, score in issues[["given", "suggested", "score"]].itertuples(index=False)
]
rows = issues.index[:8]
GalleryDisplay(X[rows, -1], titles[:8], glitches.durations[-1]).plot()
plt.show()

# %%
# Repair
# ------
# An expert would correct the wrong labels. Here, the original labels stand in for the expert.
# Without an expert, you can drop the flagged glitches. Do not accept the suggestions blindly.

flagged = issues.index[issues["flagged"]]
print(f"{len(flagged)} of {len(y)} labels are flagged")
if true is not None:
    wrong = y != true
    print(f"{wrong.sum()} labels are wrong, and {wrong[flagged].sum()} of these are flagged")
    first = issues.index[: wrong.sum()]
    print(f"{wrong[first].sum()} of the {len(first)} most suspicious labels are wrong")
    suggested = issues["suggested"][issues["flagged"]]
    print(f"{np.sum(suggested == true[flagged])} suggestions for flagged labels are right")
    y[first] = true[first]
    print(f"{np.sum(y != true)} labels are wrong after an expert corrects these {len(first)}")
