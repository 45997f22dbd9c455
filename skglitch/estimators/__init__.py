"""The scikit-learn estimators."""

from .._training import SpectrogramAugment
from ._cnn_classifier import CNNClassifier
from ._encoder import Encoder
from ._gpus import all_gpus_per_fit, one_gpu_per_worker
from ._truncated_cnn_transformer import TruncatedCNNTransformer

__all__ = [
    "CNNClassifier",
    "Encoder",
    "SpectrogramAugment",
    "TruncatedCNNTransformer",
    "all_gpus_per_fit",
    "one_gpu_per_worker",
]
