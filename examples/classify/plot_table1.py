"""
With and without transfer learning
==================================

Does pretraining on photographs help to classify glitches? Table 1 of `George, Shen and Huerta
(2017) <https://arxiv.org/abs/1706.07446>`_ shows that it does: on 8,500 real glitches, pretrained
nets reach an accuracy of 98.2 to 98.8 %, and a net trained from scratch 96.7 %. This example
repeats the comparison on a small set of simulated glitches with the default backbone.
``benchmarks/table1.py`` makes the full table.
"""

# %%
# Glitches
# --------
# A random split with 80 % of each class for training, as in the paper.

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
# Three classifiers
# -----------------
# The same architecture three times: fine-tuned from ImageNet weights, trained from random weights
# for 2.4 times as many steps, and frozen with logistic regression on its features. With more
# glitches, training from scratch would improve.

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
# Top-1 to top-5 accuracy
# -----------------------
# With 88 test glitches the confidence intervals span about 15 points. The paper has 1,700 test
# glitches and intervals of about one point.

labels = classifiers["fine-tuned"].classes_
for name, values in scores.items():
    print(f"{name}\n{top_k_table(y_test, values, labels=labels).round(3)}\n")
figure = plt.figure(figsize=(8, 4), layout="constrained")
display = TopKDisplay.from_predictions(y_test, scores, labels=labels, ax=figure)
display.ax_.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
display.ax_.set_title("22 simulated classes, 16 glitches of each to train on", fontsize="medium")
plt.show()

# %%
# Is the difference significant?
# ------------------------------
# Overlapping intervals do not answer this, because all three classifiers are tested on the same
# glitches. A paired bootstrap of the difference does.

predictions = {name: labels[values.argmax(axis=1)] for name, values in scores.items()}
for other in ("from scratch", "frozen, regression"):
    result = paired_bootstrap(y_test, predictions["fine-tuned"], predictions[other], random_state=0)
    print(
        f"fine-tuned - {other}: {result.difference:.3f}, "
        f"95 % interval {result.low:.3f} to {result.high:.3f}"
    )
