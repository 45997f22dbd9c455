"""
Wrong labels
============

Labels are given by hand, and some are wrong. Two opinions of each label, that of a classifier that
was trained on other glitches and that of the glitches most like it, put the doubtful ones first, so
that an expert looks at a handful of pictures and not at thousands.

With the environment variable ``SKGLITCH_DATA`` naming a folder of Gravity Spy pictures, the example
looks into your own labels. Otherwise it simulates glitches and changes some of their labels.
"""

# %%
# Glitches
# --------
# Of the simulated ones, one in twenty gets the label of another class.

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
# The doubtful ones first
# -----------------------
# The score is the probability that the label is right. ``neighbors`` is the share of the ten
# glitches most like this one that have its label.

embeddings = TruncatedCNNTransformer().fit_transform(X)
issues = find_label_issues(embeddings, y, random_state=0)
print(issues)

# %%
# Look at them
# ------------
# What the label says, what it should be by the looks of the others, and how probably the label is
# right. This is the page for the expert.

titles = [
    f"{given}: {score:.0%}\n" + ("as given" if suggested == given else f"rather {suggested}")
    for given, suggested, score in zip(issues.given, issues.suggested, issues.score, strict=True)
]
rows = issues.index[:8]
GalleryDisplay(X[rows, -1], titles[:8], glitches.durations[-1]).plot()
plt.show()

# %%
# Repair
# ------
# The expert corrects what is wrong; the labels that were changed stand in for this here. Whoever
# has no expert can drop the flagged ones, but not trust the suggestions blindly.

flagged = issues.index[issues.flagged]
print(f"{len(flagged)} of {len(y)} labels are flagged")
if true is not None:
    wrong = y != true
    print(f"wrong: {wrong.sum()}, flagged of these: {wrong[flagged].sum()}")
    first = issues.index[: wrong.sum()]
    print(f"an expert who looks at the first {len(first)} finds {wrong[first].sum()} of them")
    suggested = issues.suggested[issues.flagged]
    print(f"the suggestion is right for {np.sum(suggested == true[flagged])} of the flagged ones")
    y[first] = true[first]
    print(f"wrong after looking at {len(first)}: {np.sum(y != true)}")
