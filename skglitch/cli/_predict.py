"""``skglitch predict``: classes of glitches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._input import describe_glitches, load_for_model, load_model
from ._output import (
    TABLES,
    check_output,
    check_suffix,
    format_scores,
    say,
    score_predictions,
)

if TYPE_CHECKING:
    import numpy as np


@click.command(short_help="Predict the classes of glitches.")
@_options.model
@_options.source
@_options.output("A .csv, .parquet, .h5 or .hdf5 file; CSV to stdout by default.")
@_options.count("--top", default=1, help="Number of most probable classes to list.")
@click.option(
    "--probabilities", is_flag=True, help="Add a column p_<class> with the probability per class."
)
@_options.batch_size
@_options.reading
def predict(model: Path, source: Path | None, output: Path | None, **options: Any) -> None:
    """Predict the classes of the glitches in SOURCE, labeled or not, by a saved MODEL.

    The columns are id, ifo, gps_time and label (if known), prediction and probability; with
    --top 2 also prediction_2 and probability_2, and so on. pretrained adds novelty_p_value, which
    is low for glitches of unknown classes. If there are labels, the top-k accuracy goes to stderr.
    """
    if output is not None:
        check_suffix(output, TABLES)
        check_output(output, options["overwrite"])
    from .._labels import as_labels, is_labeled
    from .._tables import to_json, write_table
    from .._validation import find_positions

    classifier = load_model(model, ("CNNClassifier",), options)
    bunch = load_for_model(source, classifier, options)
    y_prob, embeddings = classifier.predict_proba_and_embed(bunch.data)
    table = describe_glitches(bunch) | tabulate_predictions(classifier, y_prob, options["top"])
    if options["probabilities"]:
        table |= {f"p_{label}": y_prob[:, n] for n, label in enumerate(classifier.classes_)}
    if hasattr(classifier, "novelty_"):
        table["novelty_p_value"] = classifier.novelty_.p_values(embeddings)
    if output is not None or not options["as_json"]:
        write_table(table, output)
    top_k = None
    if bunch.target is not None:
        classes = classifier.classes_
        is_known = find_positions(as_labels(bunch.target), classes.tolist()) >= 0
        n_unknown = int((is_labeled(bunch.target) & ~is_known).sum())
        if n_unknown:
            say(f"The scores leave out {n_unknown} glitches of classes that the model lacks.")
        if is_known.any():
            scores = score_predictions(bunch.target[is_known], y_prob[is_known], classes)
            top_k = scores["top_k"]
            say(format_scores({"top_k": top_k}))
    if options["as_json"]:
        result = {
            "model": str(model),
            "n_glitches": len(y_prob),
            "classes": classifier.classes_,
            "output": None if output is None else str(output),
            "top_k": top_k,
            "glitches": table if output is None else None,
        }
        click.echo(to_json(result))


def tabulate_predictions(
    classifier: Any, y_prob: np.ndarray, n_classes: int = 1
) -> dict[str, np.ndarray]:
    """Return the columns ``prediction``, ``probability``, ``prediction_2``, and so on."""
    import numpy as np

    # Stable, so that ties are resolved as in predict.
    order = np.argsort(-y_prob, axis=1, kind="stable")[:, :n_classes]
    columns = {}
    for rank, codes in enumerate(order.T, start=1):
        suffix = f"_{rank}" if rank > 1 else ""
        columns[f"prediction{suffix}"] = classifier.classes_[codes]
        columns[f"probability{suffix}"] = y_prob[np.arange(len(y_prob)), codes]
    return columns
