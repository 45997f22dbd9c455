"""
Real and simulated glitches
===========================

How much do the glitches of :func:`skglitch.datasets.make_glitches` resemble real ones? This example
shows both side by side, one figure for each of the 22 classes of the Gravity Spy training set, as a
net sees them: views of 0.5 and 1 s on the left of each picture, of 2 and 4 s on the right. The page
:doc:`/simulation` says what is simulated and what still differs.
"""

# %%
# Data
# ----
# Real glitches are read from the subfolder ``gravity_spy_22`` of the folder that the environment
# variable ``SKGLITCH_TEST_DATA`` names, with one subfolder per class. Without it, the figures show
# simulated glitches only.

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skglitch.datasets import load_gravity_spy, make_glitches

EACH = 2  # glitches per class
FOLDER = Path(os.environ.get("SKGLITCH_TEST_DATA", "../shared/data"), "gravity_spy_22")

simulated = make_glitches(22 * EACH, weights="balanced", random_state=0, n_jobs=2)
columns = {"simulated": simulated}
if FOLDER.is_dir():
    real = load_gravity_spy(FOLDER, missing="skip", on_error="skip", progress=False)
    columns = {"real": real, **columns}
print({title: len(glitches.data) for title, glitches in columns.items()})

# %%
# A figure for each class
# -----------------------
# The color scale ends at an energy of 25.5, as in Gravity Spy's pictures.


def show(ax, views, title):
    """Show four views as one picture."""
    ax.imshow(np.block([[views[0], views[2]], [views[1], views[3]]]), vmin=0, vmax=255)
    ax.set_title(title, fontsize=9)


for name in simulated.target_names:
    size = (3.6 * len(columns), 3.15 * EACH)
    figure, axes = plt.subplots(EACH, len(columns), figsize=size, squeeze=False)
    figure.subplots_adjust(0.02, 0.02, 0.98, 0.93, wspace=0.03, hspace=0.1)
    for (title, glitches), column in zip(columns.items(), axes.T, strict=True):
        chosen = np.flatnonzero(glitches.target == name)[:EACH]
        for ax, row in zip(column, chosen, strict=False):
            show(ax, glitches.data[row], f"{name}, {title}")
    for ax in axes.flat:
        ax.axis("off")
    plt.show()
