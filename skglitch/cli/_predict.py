"""``skglitch predict``: the classes of pictures, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._data import about_glitches, load_for_model, load_model
from ._messages import say
from ._output import check_output, write_csv

if TYPE_CHECKING:
    import numpy as np


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_options.folder
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="CSV file; without it, stdout."
)
@_options.overwrite
@click.option(
    "--top", type=click.IntRange(1), default=1, show_default=True, help="How many guesses to list."
)
@click.option(
    "--probabilities", is_flag=True, help="Add a column p_<class> with the probability of each."
)
@_options.batch_size
@_options.running
def predict(
    model: Path, folder: Path, output: Path | None, overwrite: bool, **options: Any
) -> None:
    """Tell the class of each glitch in a FOLDER, labelled or not, by a saved MODEL.

    The table has the columns id, ifo, label (where there are class folders), prediction and
    probability; with --top 2 then prediction_2 and probability_2, and so on. Where there are
    labels, the top-1 to top-5 accuracy goes to stderr.
    """
    if output is not None:
        check_output(output, overwrite)
    classifier = load_model(model, ("CNNClassifier",), options)
    bunch = load_for_model(folder, classifier, options)
    scores = classifier.predict_proba(bunch.data)
    about = about_glitches(bunch)
    labels = classifier.classes_
    n_guesses = min(options["top"], len(labels))
    header = [*about, *_guess_names(n_guesses)]
    if options["probabilities"]:
        header += [f"p_{label}" for label in labels]
    rows = _rows(about, scores, labels, n_guesses, options["probabilities"])
    write_csv(output, header, rows)
    if bunch.target is not None:
        _tell_accuracy(bunch.target, scores, labels)


def _guess_names(n_guesses: int) -> list[str]:
    names = ["prediction", "probability"]
    for rank in range(2, n_guesses + 1):
        names += [f"prediction_{rank}", f"probability_{rank}"]
    return names


def _rows(
    about: dict[str, np.ndarray],
    scores: np.ndarray,
    labels: np.ndarray,
    n_guesses: int,
    with_all: bool,
) -> Iterator[list[Any]]:
    import numpy as np

    # Stable, so that ties go to the class that predict would take.
    best = np.argsort(-scores, axis=1, kind="stable")[:, :n_guesses]
    for row, guesses in enumerate(best):
        told: list[Any] = [column[row] for column in about.values()]
        for guess in guesses:
            told += [labels[guess], f"{scores[row, guess]:.7g}"]
        if with_all:
            told += [f"{value:.7g}" for value in scores[row]]
        yield told


def _tell_accuracy(target: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> None:
    from ..metrics import top_k_table

    say(str(top_k_table(target, scores, labels=labels)))
