"""From a folder of labeled pictures to a confusion matrix, in skglitch.

python skglitch_path.py FOLDER
"""

import sys

from sklearn.model_selection import train_test_split

from skglitch import CNNClassifier
from skglitch.datasets import load_gravity_spy
from skglitch.display import ConfusionDisplay

X, y = load_gravity_spy(sys.argv[1], durations=None, return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
classifier = CNNClassifier(random_state=0).fit(X_train, y_train)
print(f"right: {classifier.score(X_test, y_test):.1%} of {len(y_test)}")
display = ConfusionDisplay.from_estimator(classifier, X_test, y_test)
display.figure_.savefig("confusion_skglitch.png")
