"""
With and without transfer
=========================

Does it help that a net has seen photographs before it sees glitches? Table 1 of `George, Shen and
Huerta (2017) <https://arxiv.org/abs/1706.07446>`_ says yes: with 8,500 real glitches, nets with
transfer were right about 98.2 to 98.8 %, one trained from scratch about 96.7 %. Here is the same
table in small, on simulated glitches, with the net that comes with pip. ``benchmarks/table1.py``
makes the full one.
"""

# %%
# Glitches
# --------
# A random split with 80 % of each class to train on, as in the paper.

import time

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.datasets import make_glitches
from skglitch.display import TopKDisplay
from skglitch.metrics import paired_bootstrap, top_k_table

X, y = make_glitches(
    22 * 20, weights="balanced", size=(100, 120), random_state=0, n_jobs=2, return_X_y=True
)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=0.8, stratify=y, random_state=0
)

# %%
# Three ways to a classifier
# --------------------------
# The same net three times: fine-tuned from the weights that photographs gave it, trained from
# random weights for twice as many steps, and as photographs left it, with a regression on top. With
# more glitches the second one would get better.

classifiers = {
    "fine-tuned": CNNClassifier(views="channels", random_state=0),
    "from scratch": CNNClassifier(views="channels", weights=None, random_state=0),
    "frozen, regression": make_pipeline(
        TruncatedCNNTransformer(views="channels"), LogisticRegression(C=10, max_iter=2000)
    ),
}
scores = {}
for name, classifier in classifiers.items():
    start = time.perf_counter()
    scores[name] = classifier.fit(X_train, y_train).predict_proba(X_test)
    print(f"{name}: {time.perf_counter() - start:.0f} s")

# %%
# Top-1 to top-5
# --------------
# How often the true class is among the first k guesses. Eighty-eight glitches leave an interval of
# some 15 points, where the paper's 1,700 leave one.

labels = classifiers["fine-tuned"].classes_
for name, values in scores.items():
    print(f"{name}\n{top_k_table(y_test, values, labels=labels)}\n")
figure = plt.figure(figsize=(8, 4), layout="constrained")
display = TopKDisplay.from_predictions(y_test, scores, labels=labels, ax=figure)
display.ax_.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
display.ax_.set_title("22 simulated classes, 16 glitches of each to train on", fontsize="medium")
plt.show()

# %%
# Is the difference more than chance?
# -----------------------------------
# Intervals that overlap do not settle it, since all three were asked about the same glitches. The
# difference on these, drawn again and again, does.

predictions = {name: labels[values.argmax(axis=1)] for name, values in scores.items()}
for other in ("from scratch", "frozen, regression"):
    print(f"fine-tuned less {other}")
    print(paired_bootstrap(y_test, predictions["fine-tuned"], predictions[other], random_state=0))
