"""The scikit-learn estimators."""

from ._cnn_classifier import CNNClassifier
from ._learning_rate import LearningRateRange, learning_rate_range
from ._truncated_cnn_transformer import TruncatedCNNTransformer

__all__ = [
    "CNNClassifier",
    "LearningRateRange",
    "TruncatedCNNTransformer",
    "learning_rate_range",
]
