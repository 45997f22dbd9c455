"""
From strain to a label: GW150914
================================

The first gravitational wave to be detected passed the two LIGO detectors at 09:50:45 UTC on 14
September 2015. To a glitch classifier, a binary black hole merger looks like the class Chirp,
which consists of signals injected to test the detectors. This example computes spectrograms of
the strain around the event and classifies them with a classifier trained only on simulated
glitches.
"""

# %%
# Strain
# ------
# :func:`~skglitch.datasets.fetch_open_strain` downloads 32 s of strain around the event from the
# `Gravitational Wave Open Science Center <https://gwosc.org>`_, about 1 MB per detector, and caches
# it. :func:`~skglitch.datasets.load_strain` reads local files: if the environment variable
# ``SKGLITCH_TEST_DATA`` names a folder with a subfolder ``strain_events``, the example uses the
# files in it. If neither is available, the example uses a simulated chirp.

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skglitch import TruncatedCNNTransformer
from skglitch.datasets import fetch_open_strain, load_strain, make_glitches
from skglitch.display import SpectrogramDisplay
from skglitch.spectrograms import QTransformer

GPS = 1126259462.4
DURATION = 16.0  # s around the event, also used to estimate the noise spectrum


def strain_around_event(ifo):
    """Read the strain of one detector from a local file or from the web."""
    files = Path(os.environ.get("SKGLITCH_TEST_DATA", "."), "strain_events")
    for file in files.glob(f"*-{ifo}_*.hdf5"):
        return load_strain(file).around(GPS, DURATION)
    return fetch_open_strain(GPS, ifo, duration=DURATION + 2, progress=False).around(GPS, DURATION)


try:
    strain = {ifo: strain_around_event(ifo) for ifo in ("H1", "L1")}
    event = "GW150914"
except (ImportError, OSError) as error:  # no h5py, or no network
    reason = str(error).split(" (")[0]
    print(f"Using a simulated chirp instead of GW150914: {reason}")
    options = {"classes": ["Chirp"], "sample_rate": 4096, "return_strain": True}
    chirps = make_glitches(2, random_state=0, **options)
    strain = {f"simulation {number}": row for number, row in enumerate(chirps.strain, start=1)}
    event = "a simulated chirp"
for name, values in strain.items():
    print(f"{name}: {len(values)} samples, strain within ±{np.abs(values).max():.1e}")

# %%
# The signal is invisible in the raw strain
# -----------------------------------------
# Its peak amplitude is :math:`10^{-21}` (`Abbott et al. 2016
# <https://doi.org/10.1103/PhysRevLett.116.061102>`_), hundreds of times smaller than the
# low-frequency noise.

figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
for ax, (name, values) in zip(axes, strain.items(), strict=True):
    times = (np.arange(len(values)) - len(values) / 2) / 4096
    ax.plot(times, values / 1e-19, lw=0.5, color="#0072B2")
    ax.set(title=name, xlabel=f"time from {event} [s]", xlim=(-2, 2))
axes[0].set_ylabel("strain [$10^{-19}$]")
plt.show()

# %%
# Spectrograms
# ------------
# The strain is whitened and Q-transformed. Color shows the energy at each time and frequency
# relative to the median. The arc that rises within 0.2 s is the inspiral of the two black holes.

transformer = QTransformer(sample_rate=4096)
X = transformer.transform(np.stack(list(strain.values())))
for glitch, name in zip(X, strain, strict=True):
    SpectrogramDisplay(glitch, title=f"{event} in {name}").plot()
plt.show()

# %%
# A label
# -------
# Logistic regression on pretrained features, trained on twenty simulated glitches of each of 22
# classes.

X_train, y_train = make_glitches(440, weights="balanced", random_state=0, n_jobs=2, return_X_y=True)
classifier = make_pipeline(
    TruncatedCNNTransformer(views="channels"), LogisticRegression(C=10, max_iter=2000)
)
probabilities = classifier.fit(X_train, y_train).predict_proba(X)
for name, row in zip(strain, probabilities, strict=True):
    best = np.argsort(-row)[:3]
    print(name, ", ".join(f"{classifier.classes_[k]} {row[k]:.0%}" for k in best))
