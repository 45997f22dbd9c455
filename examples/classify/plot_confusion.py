"""
Which classes are taken for which
=================================

Twenty-two kinds of glitches, a net fine-tuned on sixteen examples of each, and the confusion matrix
of what it was not shown: Figure 3 of `George, Shen and Huerta (2017)
<https://arxiv.org/abs/1706.07446>`_. They had some 6,900 real glitches to train on. Here there are
352 simulated ones, so expect more errors; the point is to see where they are.
"""

# %%
# Glitches of every class
# -----------------------
# Four views of each glitch, of 0.5, 1, 2 and 4 s, as in the paper, but smaller than usual to make
# the example quick.

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
# The views of 0.5, 1 and 4 s reach the net as the three colors of one picture, a quarter of the
# pixels of all views side by side.

classifier = CNNClassifier(views="channels", random_state=0).fit(X_train, y_train)
scores = classifier.predict_proba(X_test)
predictions = classifier.classes_[scores.argmax(axis=1)]
print(top_k_table(y_test, scores, labels=classifier.classes_))

# %%
# The confusion matrix
# --------------------
# Rows are true classes, with the number of test glitches in brackets, columns are what the net
# said. Classes that are taken for each other stand next to each other, so that errors which make
# sense gather near the diagonal.

ConfusionDisplay.from_predictions(y_test, predictions, order="similarity")
plt.show()

# %%
# The most certain errors
# -----------------------
# What the glitch was made as, and what the net took it for. Many are hard for a person too: a quiet
# glitch of one class looks like a louder one of another.

GalleryDisplay.from_predictions(X_test, y_test, scores, labels=classifier.classes_, n_glitches=8)
plt.show()

# %%
# Class by class
# --------------
# Precision is how often the net is right when it names the class, recall how much of the class it
# finds. The paper counts the classes where both are 100 %.

table = classification_table(y_test, predictions)
print(f"perfect: {', '.join(table.perfect)}")
ClassScoresDisplay.from_predictions(y_test, predictions, sort_by="f1")
plt.show()
