"""How classifier-v1.skglitch came about. Never write that file again: it is there to be old."""

from pathlib import Path

import numpy as np

import skglitch
from skglitch.estimators import Encoder
from tests.persistence.conftest import make_images

if __name__ == "__main__":
    X, y = make_images()
    classifier = skglitch.CNNClassifier(
        "test_efficientnet",
        weights=None,
        encoder=Encoder(durations=(1.0, 4.0)),
        max_epochs=12,
        learning_rate=3e-3,
        class_weight={"Blip": 1.0, "Koi_Fish": 2.0, "Whistle": 1.0},
        precision="float32",
        random_state=0,
    ).fit(X, y)
    skglitch.save(classifier, Path(__file__).with_name("classifier-v1.skglitch"))
    print(np.round(classifier.predict_proba(X)[[0, 4, 8]], 5).tolist())
    print([round(loss, 5) for loss in classifier.history_[:, "train_loss"]][-1])
