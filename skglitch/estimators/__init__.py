"""The scikit-learn estimators."""

from ._cnn_classifier import CNNClassifier
from ._truncated_cnn_transformer import TruncatedCNNTransformer

__all__ = ["CNNClassifier", "TruncatedCNNTransformer"]
