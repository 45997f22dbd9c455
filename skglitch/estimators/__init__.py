"""The scikit-learn estimators."""

from ._cnn_classifier import CNNClassifier

__all__ = ["CNNClassifier"]
