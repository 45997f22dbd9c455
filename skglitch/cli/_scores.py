"""Scores of predictions, for commands that print them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_PERCENT = ("accuracy", "low", "high", "precision", "recall", "f1")


def score_predictions(
    y_true: np.ndarray, y_prob: np.ndarray, classes: np.ndarray
) -> dict[str, pd.DataFrame]:
    """Return the tables of top-k accuracies and of scores of each class."""
    from ..metrics import classification_table, top_k_table

    y_pred = classes[y_prob.argmax(axis=1)]
    return {
        "top_k": top_k_table(y_true, y_prob, labels=classes),
        "per_class": classification_table(y_true, y_pred, labels=classes),
    }


def format_scores(tables: Mapping[str, pd.DataFrame]) -> str:
    """Format tables of scores as text."""
    from .._tables import format_table

    return "\n\n".join(format_table(table, percent=_PERCENT) for table in tables.values())
