"""
Fine-tune a net on glitches
===========================

An image net that was trained on photographs learns to tell kinds of glitches apart from a few
dozen examples of each: its last layer is replaced by one for the classes of ``y``, and all
layers are trained on.

With the environment variable ``SKGLITCH_DATA`` naming a folder of Gravity Spy pictures, with a
folder for each class, the example takes these. Otherwise it simulates some.
"""

# %%
# Glitches
# --------
# ``X`` has the shape (glitches, views, frequencies, times), ``y`` holds the names of the classes.
# A quarter of each class is kept for the test.

import os

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from skglitch import CNNClassifier
from skglitch.datasets import load_gravity_spy, make_glitches
from skglitch.display import GalleryDisplay, HistoryDisplay
from skglitch.metrics import classification_table, top_k_table

CLASSES = ["Blip", "Koi_Fish", "Scattered_Light", "Whistle"]
if folder := os.environ.get("SKGLITCH_DATA"):
    glitches = load_gravity_spy(folder, durations=None)
else:
    glitches = make_glitches(
        100, classes=CLASSES, weights="balanced", durations=(1.0,), random_state=0
    )
X_train, X_test, y_train, y_test = train_test_split(
    glitches.data, glitches.target, stratify=glitches.target, random_state=0
)
print(f"{len(X_train)} glitches to train on, {len(X_test)} to test with")

# %%
# Training
# --------
# The defaults fine-tune all layers of an EfficientNet-Lite0, whose weights come with pip.

classifier = CNNClassifier(durations=glitches.durations, random_state=0).fit(X_train, y_train)
HistoryDisplay.from_estimator(classifier)
plt.show()

# %%
# How well it does
# ----------------
# How often the true class is the first guess, or among the first few, with how sure these figures
# are; then precision and recall of each class. So few test glitches leave wide intervals.

scores = classifier.predict_proba(X_test)
predictions = classifier.classes_[scores.argmax(axis=1)]
print(top_k_table(y_test, scores, labels=classifier.classes_, ks=(1, 2, 3)))
print(classification_table(y_test, predictions))

# %%
# Where it is unsure
# ------------------
# The glitches of the test set whose first two guesses are about as probable. These are the ones to
# look at by eye.

GalleryDisplay.from_estimator(classifier, X_test, y_test, show="unsure", n_glitches=8)
plt.show()
