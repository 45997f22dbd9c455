"""
Fine-tune a CNN on glitches
===========================

A CNN pretrained on ImageNet learns to classify glitches from a few dozen examples per class. Its
last layer is replaced by one for the classes in ``y``, and all layers are then trained.

If the environment variable ``SKGLITCH_DATA`` names a folder of Gravity Spy images with one
subfolder per class, the example uses it. Otherwise it simulates glitches.
"""

# %%
# Glitches
# --------
# ``X`` has shape (glitches, views, frequencies, times). ``y`` holds the class names. A quarter of
# each class is held out for the test.

import os

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from skglitch import CNNClassifier
from skglitch.datasets import load_gravity_spy, make_glitches
from skglitch.display import GalleryDisplay, HistoryDisplay
from skglitch.estimators import Encoder
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
# By default all layers of an EfficientNet-Lite0 are fine-tuned. Its ImageNet weights are installed
# by pip.

encoder = Encoder(durations=glitches.durations)
classifier = CNNClassifier(encoder=encoder, random_state=0).fit(X_train, y_train)
HistoryDisplay.from_estimator(classifier)
plt.show()

# %%
# Evaluation
# ----------
# Top-k accuracy with confidence intervals, then precision and recall of each class. The test set is
# small, so the intervals are wide.

scores = classifier.predict_proba(X_test)
predictions = classifier.classes_[scores.argmax(axis=1)]
print(top_k_table(y_test, scores, labels=classifier.classes_, ks=(1, 2, 3)).round(3))
print(classification_table(y_test, predictions).round(3))

# %%
# Uncertain predictions
# ---------------------
# Test glitches whose two most probable classes have similar probabilities. These are worth a look.

GalleryDisplay.from_estimator(classifier, X_test, y_test, show="unsure", n_glitches=8)
plt.show()
