"""
Simulated glitches of every class
=================================

:func:`skglitch.datasets.make_glitches` simulates strain with a glitch in detector noise and
Q-transforms it into the four views of Gravity Spy. This example shows one glitch of each class
next to its description. Another ``random_state`` gives other glitches.
"""

# %%
# Strain and spectrograms
# -----------------------
# Equally many glitches of each class: the 22 classes of the Gravity Spy training set and three
# more.

import textwrap

import matplotlib.pyplot as plt
import numpy as np

from skglitch.datasets import make_glitches
from skglitch.display import SpectrogramDisplay

glitches = make_glitches(75, classes="all", weights="balanced", random_state=0, n_jobs=2)
names = glitches.target_names
print(f"X has the shape {glitches.data.shape}, and {len(names)} classes")

# %%
# One glitch
# ----------
# The same glitch in windows of 0.5, 1, 2 and 4 s. The frequency axis is logarithmic from 10 to 2048
# Hz. Color shows energy relative to the median at that frequency.

koi_fish = np.flatnonzero(glitches.target == "Koi_Fish")[0]
SpectrogramDisplay(glitches.data[koi_fish], title="Koi_Fish").plot()
plt.show()

# %%
# A gallery
# ---------
# The loudest of three glitches of each class, in views of 0.5, 1, 2 and 4 s. The signal-to-noise
# ratio refers to the loudest tile.

loudness = np.array([parameters["tile_snr"] for parameters in glitches.parameters])
figure, axes = plt.subplots(
    len(names), 2, figsize=(10, 0.95 * len(names)), width_ratios=[1, 1.7], layout="constrained"
)
for (left, right), name in zip(axes, names, strict=True):
    members = np.flatnonzero(glitches.target == name)
    loudest = members[loudness[members].argmax()]
    left.axis("off")
    left.set_title(name, loc="left", fontsize=10, weight="bold")
    left.text(0, 0.98, textwrap.fill(glitches.descriptions[name], 54), va="top", fontsize=8.5)
    right.imshow(np.hstack(glitches.data[loudest]) / 10, vmin=0, vmax=25.5, aspect="auto")
    for edge in np.arange(1, 4) * glitches.data.shape[-1]:
        right.axvline(edge, color="white", lw=0.8)
    right.set(xticks=[], yticks=[])
    right.set_title(f"loudest tile: signal-to-noise ratio {loudness[loudest]:.0f}", fontsize=8.5)
plt.show()
