"""
Fine-tune a net on glitches
===========================

An image net that was trained on photographs learns to tell kinds of glitches apart from a few
dozen examples of each: its last layer is replaced by one for the classes of ``y``, and all
layers are trained on.

Give a folder of Gravity Spy pictures, with a folder for each class, as an argument or in the
environment variable ``SKGLITCH_DATA``; a second argument is the file that the figure goes to.
Without a folder the script simulates some.
"""

# %%
# Glitches
# --------
# ``X`` has the shape (glitches, views, frequencies, times), ``y`` holds the names of the classes.

import os
import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split

from skglitch import CNNClassifier
from skglitch.datasets import load_gravity_spy, make_glitches
from skglitch.metrics import classification_table, top_k_table

CLASSES = ["Blip", "Koi_Fish", "Scattered_Light", "Whistle"]
folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SKGLITCH_DATA")
if folder:
    X, y = load_gravity_spy(folder, durations=None, return_X_y=True)
else:
    X, y = make_glitches(
        60, classes=CLASSES, weights="balanced", durations=(1.0,), random_state=0, return_X_y=True
    )
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
print(f"{len(X_train)} glitches to train on, {len(X_test)} to test with")

# %%
# Training
# --------
# The defaults fine-tune all layers of an EfficientNet-Lite0, whose weights come with pip.

classifier = CNNClassifier(random_state=0, verbose=1).fit(X_train, y_train)

# %%
# How well it does
# ----------------
# How often the true class is the first guess, or among the first few, with how sure these figures
# are; then precision and recall of each class.

scores = classifier.predict_proba(X_test)
predictions = classifier.classes_[scores.argmax(axis=1)]
print(top_k_table(y_test, scores, labels=classifier.classes_))
print(classification_table(y_test, predictions))

# %%
# In pictures
# -----------
# The loss on the training set, and which classes are taken for which.

n_classes = len(classifier.classes_)
side = max(4.5, 2.5 + 0.45 * n_classes)
figure, (left, right) = plt.subplots(1, 2, figsize=(2 * side, side), layout="constrained")
losses = classifier.history_[:, "train_loss"]
left.plot(np.arange(1, len(losses) + 1), losses, "o-", color="#0072B2")
left.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
left.xaxis.get_major_locator().set_params(integer=True)
ConfusionMatrixDisplay.from_predictions(
    y_test, predictions, ax=right, cmap="cividis", xticks_rotation=45, colorbar=False
)
plt.setp(right.get_xticklabels(), ha="right", rotation_mode="anchor")
if len(sys.argv) > 2:
    figure.savefig(sys.argv[2], dpi=100)
plt.show()
