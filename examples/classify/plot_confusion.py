"""
Which classes are confused
==========================

Fine-tune a CNN on 16 examples of each of 22 glitch classes and plot the confusion matrix on
held-out glitches, as in Figure 3 of `George, Shen and Huerta (2017)
<https://arxiv.org/abs/1706.07446>`_. The paper trains on about 6,900 real glitches. This example
trains on 352 simulated ones, so expect more errors.
"""

# %%
# Glitches of every class
# -----------------------
# Each glitch has four views, of 0.5, 1, 2 and 4 s, as in the paper. They are smaller than usual,
# which makes the example quick.

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from skglitch import CNNClassifier
from skglitch.datasets import make_glitches
from skglitch.display import ClassScoresDisplay, ConfusionDisplay, GalleryDisplay
from skglitch.metrics import classification_table, top_k_table

X, y = make_glitches(
    22 * 20, weights="balanced", size=(100, 120), random_state=0, n_jobs=2, return_X_y=True
)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=0.8, stratify=y, random_state=0
)

# %%
# Fine-tune
# ---------
# The 0.5, 1 and 4 s views become the three color channels of one image. This takes a quarter of the
# pixels of the four views side by side.

classifier = CNNClassifier(views="channels", random_state=0).fit(X_train, y_train)
scores = classifier.predict_proba(X_test)
predictions = classifier.classes_[scores.argmax(axis=1)]
print(top_k_table(y_test, scores, labels=classifier.classes_).round(3))

# %%
# The confusion matrix
# --------------------
# Rows are true classes, with the number of test glitches in parentheses. Columns are predictions.
# ``order="similarity"`` places classes that are confused with each other side by side, so most
# errors lie near the diagonal.

ConfusionDisplay.from_predictions(y_test, predictions, order="similarity")
plt.show()

# %%
# The most confident errors
# -------------------------
# The true class and the prediction, on the 1 s views. Many of these glitches are hard for a person
# too: a quiet glitch of one class can look like a louder one of another.

GalleryDisplay.from_predictions(
    X_test, y_test, scores, labels=classifier.classes_, n_glitches=8, duration=1.0
)
plt.show()

# %%
# Class by class
# --------------
# Precision, recall and F1 score of each class. The paper counts the classes whose precision and
# recall are both 100 %.

table = classification_table(y_test, predictions)
classes = table[:-3]  # the last rows are averages
print(f"perfect: {', '.join(classes.index[classes.f1 == 1])}")
ClassScoresDisplay.from_predictions(y_test, predictions, sort_by="f1")
plt.show()
