"""
Sounds of machines
==================

skglitch works with any set of spectrograms. Only the simulation and the strain readers are
specific to gravitational-wave detectors. This example classifies machine faults by their sound,
given a few labeled recordings of each. The sounds are synthesized from simple models of ball
bearings and gears.
"""

# %%
# Six states of a machine
# -----------------------
# A shaft in a ball bearing turns about thirty times per second. Each time a ball passes a defect,
# the impact excites a resonance at a few kHz. The impact rate and its modulation depend on the
# location of the defect: the outer ring, the inner ring, which turns with the shaft, or a ball. A
# broken gear tooth gives one impact per turn, and a dry belt squeals. Speed, loudness and pitch
# vary between recordings.

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import ShortTimeFFT
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.display import ConfusionDisplay, EmbeddingDisplay, FewShotDisplay

SAMPLE_RATE = 16000  # Hz
DURATION = 0.5  # s
STATES = ["healthy", "outer ring", "inner ring", "ball", "broken tooth", "squealing belt"]
# Impacts per turn of the shaft, and modulations per turn, for the geometry of a common bearing.
KNOCKS = {
    "outer ring": (3.6, 0.0),
    "inner ring": (5.4, 1.0),
    "ball": (4.7, 0.4),
    "broken tooth": (1.0, 0.0),
}


def record(state, rng):
    """Synthesize the sound of a machine in this state."""
    times = np.arange(int(DURATION * SAMPLE_RATE)) / SAMPLE_RATE
    turns = rng.uniform(25, 35) * times + rng.uniform(0, 1)
    sound = rng.normal(0, 1, len(times))
    for harmonic in range(1, 5):
        phase = rng.uniform(0, 2 * np.pi)
        sound += rng.uniform(0.5, 2) / harmonic * np.sin(2 * np.pi * harmonic * turns + phase)
    teeth = 17  # every machine has a gear
    sound += rng.uniform(0.3, 1) * np.sin(2 * np.pi * teeth * turns)
    if state == "squealing belt":
        wobble = rng.uniform(2, 5) * np.sin(2 * np.pi * rng.uniform(3, 8) * times)
        pitch = rng.uniform(2000, 5000) * (1 + 0.01 * wobble)
        sound += rng.uniform(0.3, 0.8) * np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE)
    elif state != "healthy":
        per_turn, louder = KNOCKS[state]
        knocks = np.diff(np.floor(per_turn * turns), prepend=0) > 0
        loudness = 1 + 0.9 * np.cos(2 * np.pi * louder * turns) if louder else 1.0
        ring_times = times[: SAMPLE_RATE // 50]
        ring = np.exp(-ring_times / rng.uniform(1e-3, 2e-3)) * np.sin(
            2 * np.pi * rng.uniform(2000, 5000) * ring_times
        )
        sound += rng.uniform(4, 8) * np.convolve(knocks * loudness, ring)[: len(times)]
    return rng.uniform(0.5, 2) * sound


rng = np.random.default_rng(0)
y = np.repeat(STATES, 40)
sounds = np.stack([record(state, rng) for state in y])

# %%
# Spectrograms
# ------------
# These are scipy's spectrograms in decibels. X holds floats, and ``fit`` learns their range, so
# values below the noise floor are clipped first. With one view per sound, X has shape (sounds,
# frequencies, times), with high frequencies at the top.

window = np.hanning(128)
stft = ShortTimeFFT(window, hop=48, fs=SAMPLE_RATE)
power = stft.spectrogram(sounds)[:, ::-1]
X = 10 * np.log10(np.maximum(power, 0.1)).astype(np.float32)
print(f"X has the shape {X.shape} and runs from {X.min():.0f} to {X.max():.0f} dB")

figure, axes = plt.subplots(2, 3, figsize=(9, 4.6), sharex=True, sharey=True, layout="constrained")
for ax, state in zip(axes.flat, STATES, strict=True):
    example = X[np.flatnonzero(y == state)[0]]
    extent = (0, DURATION, 0, SAMPLE_RATE / 2000)
    image = ax.imshow(example, extent=extent, aspect="auto", vmin=-10, vmax=40)
    ax.set_title(state, fontsize="medium")
figure.supxlabel("time [s]", fontsize="medium")
figure.supylabel("frequency [kHz]", fontsize="medium")
figure.colorbar(image, ax=axes, label="power [dB]")
plt.show()

# %%
# Few labels
# ----------
# Logistic regression on pretrained features and on raw pixels, with one to ten labeled sounds of
# each state. Each point is the mean over five random choices of the labeled sounds, tested on all
# others.

features = TruncatedCNNTransformer().fit_transform(X)
pixels = X.reshape(len(X), -1)
counts = [1, 2, 5, 10]
scores = {}
for name, values in {"pretrained features": features, "pixels": pixels}.items():
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    scores[name] = [
        cross_val_score(
            regression,
            values,
            y,
            cv=StratifiedShuffleSplit(5, train_size=count * len(STATES), random_state=0),
        )
        for count in counts
    ]
    print(name, [f"{np.mean(row):.0%}" for row in scores[name]])
FewShotDisplay.from_scores(counts, scores).ax_.legend(loc="center right")
plt.show()

# %%
# Fine-tuning
# -----------
# With ten labels per state, all layers are trained.

train, test = next(StratifiedShuffleSplit(1, train_size=60, random_state=0).split(X, y))
classifier = CNNClassifier(random_state=0).fit(X[train], y[train])
print(f"accuracy: {classifier.score(X[test], y[test]):.1%} on {len(test)} sounds")
ConfusionDisplay.from_estimator(classifier, X[test], y[test], labels=STATES)
plt.show()

# %%
# A map
# -----
# Embeddings of the test set, computed by the fine-tuned net.

embed = TruncatedCNNTransformer(classifier).fit(X[train])
EmbeddingDisplay.from_estimator(embed, X[test], y[test])
plt.show()
