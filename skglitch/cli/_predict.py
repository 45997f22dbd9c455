"""``skglitch predict``: the classes of glitches, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._data import about_glitches, load_for_model, load_model
from ._messages import say
from ._output import TABLES, check_output, check_suffix, format_scores, to_json, write_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@click.command(short_help="Tell the classes of glitches.")
@_options.model
@_options.source
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="A .csv, .parquet, .h5 or .hdf5 file; without it, CSV to stdout.",
)
@_options.overwrite
@click.option(
    "--top",
    type=click.IntRange(1),
    metavar="N",
    default=1,
    show_default=True,
    help="How many guesses to list.",
)
@click.option(
    "--probabilities", is_flag=True, help="Add a column p_<class> with the probability of each."
)
@_options.batch_size
@_options.as_json
@_options.running
def predict(
    model: Path,
    source: Path | None,
    output: Path | None,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Tell the class of each glitch of SOURCE, labeled or not, by a saved MODEL.

    The table has the columns id, ifo, gps_time and label (where they are known), prediction and
    probability; with --top 2 then prediction_2 and probability_2, and so on. Where there are
    labels, the top-1 to top-5 accuracy goes to stderr.
    """
    if output is not None:
        check_suffix(output, TABLES)
        check_output(output, overwrite)
    classifier = load_model(model, ("CNNClassifier",), options)
    bunch = load_for_model(source, classifier, options)
    scores = classifier.predict_proba(bunch.data)
    labels = classifier.classes_
    columns = about_glitches(bunch) | guesses(scores, labels, options["top"])
    if options["probabilities"]:
        columns |= {f"p_{label}": scores[:, n] for n, label in enumerate(labels)}
    if output is not None or not as_json:
        write_table(output, columns)
    accuracy = _accuracy(bunch.target, scores, labels)
    if accuracy is not None:
        say(format_scores(accuracy))
    if as_json:
        result = {
            "model": str(model),
            "n_glitches": len(scores),
            "classes": labels.tolist(),
            "output": None if output is None else str(output),
            "top_k": accuracy,
            # What is in a file need not be said again.
            "glitches": columns if output is None else None,
        }
        click.echo(to_json(result))


def guesses(scores: np.ndarray, labels: np.ndarray, n_guesses: int) -> dict[str, np.ndarray]:
    """Name the likeliest classes of each glitch, and how likely they are.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes)
    labels : ndarray of shape (n_classes,)
    n_guesses : int

    Returns
    -------
    columns : dict of str to ndarray of shape (n,)
        ``prediction``, ``probability``, ``prediction_2``, ...
    """
    import numpy as np

    # Stable, so that ties go to the class that predict would take.
    best = np.argsort(-scores, axis=1, kind="stable")[:, :n_guesses]
    columns = {}
    for rank, column in enumerate(best.T, start=1):
        suffix = f"_{rank}" if rank > 1 else ""
        columns[f"prediction{suffix}"] = labels[column]
        columns[f"probability{suffix}"] = scores[np.arange(len(scores)), column]
    return columns


def _accuracy(
    target: np.ndarray | None, scores: np.ndarray, labels: np.ndarray
) -> pd.DataFrame | None:
    if target is None:
        return None
    from .._labels import is_labeled
    from ..metrics import top_k_table

    known = is_labeled(target)
    return top_k_table(target[known], scores[known], labels=labels)
