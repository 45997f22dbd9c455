"""
Wrong labels
============

Labels are given by hand, and some are wrong. Two opinions of each label, that of a classifier that
was trained on other glitches and that of the glitches most like it, put the doubtful ones first, so
that an expert looks at a handful of pictures and not at thousands.

Give a folder of Gravity Spy pictures, as an argument or in the environment variable
``SKGLITCH_DATA``, to look into your own labels; a second argument is the file that the figure
goes to. Without a folder the script simulates glitches and changes some of their labels.
"""

# %%
# Glitches
# --------
# Of the simulated ones, one in twenty gets the label of another class.

import os
import sys

import matplotlib.pyplot as plt
import numpy as np

from skglitch import TruncatedCNNTransformer
from skglitch.datasets import load_gravity_spy, make_glitches
from skglitch.discovery import find_label_issues

CLASSES = ["Blip", "Koi_Fish", "Scattered_Light", "Whistle"]
folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SKGLITCH_DATA")
if folder:
    glitches = load_gravity_spy(folder, durations=None)
    X, y, durations = glitches.data, glitches.target, glitches.durations
    changed = None
else:
    glitches = make_glitches(
        160, classes=CLASSES, weights="balanced", durations=(1.0,), random_state=0
    )
    X, y, durations = glitches.data, glitches.target.copy(), glitches.durations
    rng = np.random.default_rng(0)
    changed = rng.choice(len(y), 8, replace=False)
    others = [[name for name in CLASSES if name != y[row]] for row in changed]
    y[changed] = [rng.choice(names) for names in others]

# %%
# The doubtful ones first
# -----------------------
# The score is the probability that the label is right. ``neighbors`` is the share of the ten
# glitches most like this one that have its label.

embeddings = TruncatedCNNTransformer().fit_transform(X)
issues = find_label_issues(embeddings, y, random_state=0)
print(issues)
if changed is not None:
    found = np.isin(changed, issues.index[: len(changed)]).sum()
    print(f"{found} of the {len(changed)} changed labels are the first {len(changed)}")

# %%
# Look at them
# ------------
# What the label says, and what it should be by the looks of the others.

figure, axes = plt.subplots(2, 4, figsize=(10, 5.4), sharex=True, sharey=True, layout="constrained")
half = durations[-1] / 2
for ax, row, given, suggested, score in zip(
    axes.flat, issues.index, issues.given, issues.suggested, issues.score, strict=False
):
    image = ax.imshow(
        X[row, -1] / 10,
        extent=(-half, half, np.log2(10), np.log2(2048)),
        aspect="auto",
        vmin=0,
        vmax=25.5,
    )
    told = "as given" if suggested == given else f"rather {suggested}"
    ax.set_title(f"{given}: {score:.2f}\n{told}", fontsize="medium")
ticks = (16, 128, 1024)
axes[0, 0].set_yticks(np.log2(ticks), [str(tick) for tick in ticks])
figure.supxlabel("time [s]", fontsize="medium")
figure.supylabel("frequency [Hz]", fontsize="medium")
figure.suptitle("The most doubtful labels, and how probably each is right", fontsize="large")
figure.colorbar(image, ax=axes, label="normalised energy")
if len(sys.argv) > 2:
    figure.savefig(sys.argv[2], dpi=100)
plt.show()
