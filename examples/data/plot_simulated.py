"""
Simulated glitches of every class
=================================

What :func:`skglitch.datasets.make_glitches` makes: strain with a glitch in noise, transformed to
the four views that Gravity Spy shows, three examples of each class beside its description. Which
came out by chance: another ``random_state`` gives others.
"""

# %%
# Strain and spectrograms
# -----------------------
# As many of each class, 22 of Gravity Spy's training set and three more.

import textwrap

import matplotlib.pyplot as plt
import numpy as np

from skglitch.datasets import make_glitches

glitches = make_glitches(75, classes="all", weights="balanced", random_state=0, n_jobs=2)
print(f"X has the shape {glitches.data.shape}, and {len(glitches.target_names)} classes")

# %%
# A page of them
# --------------
# A row for each class, four views of each glitch: 0.5, 1, 2 and 4 s. Frequency rises from 10 to
# 2048 Hz on a logarithmic scale.

N_EACH = 3
names = glitches.target_names
figure, axes = plt.subplots(
    len(names),
    N_EACH + 1,
    figsize=(16, 1.0 * len(names)),
    width_ratios=[1.1] + [1.6] * N_EACH,
    layout="constrained",
)
for row, name in zip(axes, names, strict=True):
    text = textwrap.fill(glitches.descriptions[name], 46)
    row[0].text(0, 0.98, name, weight="bold", va="top", fontsize=9, transform=row[0].transAxes)
    row[0].text(0, 0.74, text, va="top", fontsize=7, transform=row[0].transAxes)
    row[0].axis("off")
    for ax, member in zip(row[1:], np.flatnonzero(glitches.target == name), strict=False):
        side_by_side = np.concatenate(list(glitches.data[member]), axis=1)
        ax.imshow(side_by_side / 10, vmin=0, vmax=25.5, aspect="auto")
        for edge in np.arange(1, 4) * glitches.data.shape[-1]:
            ax.axvline(edge, color="white", lw=0.8)
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"SNR {glitches.snr[member]:.0f}", fontsize=7, pad=1)
plt.show()
