"""``skglitch fit``: train a classifier on labeled glitches."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._input import load_source, parse_weights
from ._output import INTERRUPTED, check_output, format_scores, say, score_predictions

if TYPE_CHECKING:
    import numpy as np

# Options that are parameters of CNNClassifier. Those that are not given keep its defaults.
_PARAMETERS = (
    *("backbone", "views", "max_epochs", "batch_size", "learning_rate", "fine_tune"),
    *("class_weight", "early_stopping", "device", "precision", "random_state"),
)


@click.command(short_help="Train a classifier on labeled glitches.")
@_options.source
@_options.output("File for the model.", "model.skglitch")
@_options.backbone
@_options.weights
@_options.views
@_options.durations
@_options.size
@_options.max_epochs
@_options.batch_size
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="Maximum learning rate.",
)
@click.option("--fine-tune", help="all, head, or the name of the first layer to train.")
@_options.choice("--class-weight", ["balanced"], help="Weight all classes equally.")
@click.option(
    "--early-stopping",
    is_flag=True,
    default=None,
    help="Stop when the validation loss stops falling.",
)
@_options.random_state
@click.option(
    "--test-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="X",
    default=0.2,
    help="Fraction of each class to hold out for the scores; 0 for none.",
)
@_options.reading
@click.pass_context
def fit(
    ctx: click.Context, source: Path | None, output: Path, overwrite: bool, **options: Any
) -> None:
    """Train a classifier on the labeled glitches of SOURCE and save it.

    Classes are subfolders of pictures, or labels of an HDF5 file or of triggers. A fraction of each
    class is held out (--test-fraction), and scores on it go to stdout: top-1 to top-5 accuracy with
    95 % intervals, and precision and recall per class.

    The folder OUTPUT.checkpoint has the state after each epoch until the training is complete. If
    it was killed, the same command resumes from there. Ctrl-C stops the training and saves the
    current network, with exit code 130.

    Defaults are the same as in skglitch.CNNClassifier.
    """
    check_output(output, overwrite)

    from ..backbones import backbone_info
    from ..estimators import CNNClassifier

    params = {name: options[name] for name in _PARAMETERS if options[name] is not None}
    params |= parse_weights(options["weights"]) | {"verbose": int(not options["quiet"])}
    if "backbone" in params:
        # An unknown name fails before the data are read, which can take minutes.
        backbone_info(params["backbone"])
    checkpoint = output.with_name(f"{output.name}.checkpoint")
    classifier = CNNClassifier(**params, checkpoint=checkpoint)

    from .._labels import is_labeled
    from .._tables import to_json
    from ..persistence import save

    bunch = load_source(source, options["durations"], options["size"], options)
    if bunch.target is None:
        raise ValueError(f"{str(source or options['triggers'])!r} has no labels to learn from.")
    labeled = is_labeled(bunch.target)
    if not labeled.all():
        say(f"{(~labeled).sum()} glitches without a label are left out.")
        for name in ("data", "target", "ids"):
            bunch[name] = bunch[name][labeled]
    classifier.set_params(encoder__durations=bunch.durations)
    started = time.perf_counter()
    train = test = None
    if options["test_fraction"]:
        train, test = split_classes(bunch.target, options["test_fraction"], options["random_state"])
        classifier.fit(bunch.data[train], bunch.target[train])
    else:
        # Indexing by all rows would copy a memory map.
        classifier.fit(bunch.data, bunch.target)
    seconds = time.perf_counter() - started
    # Settings of this run are not part of the model.
    save(classifier.set_params(verbose=0, checkpoint=None), output)
    is_interrupted = bool(classifier.net_.interrupted_)
    if not is_interrupted:
        shutil.rmtree(checkpoint, ignore_errors=True)
    say(f"{'The current network' if is_interrupted else 'The model'} is saved as {output}")
    result = {
        "model": str(output),
        "classes": classifier.classes_,
        "durations": bunch.durations,
        "epochs": len(classifier.history_),
        "seconds": round(seconds, 3),
        "interrupted": is_interrupted,
        "n_train": len(bunch.target) if train is None else len(train),
    }
    if test is not None:
        y_prob = classifier.predict_proba(bunch.data[test])
        tables = score_predictions(bunch.target[test], y_prob, classifier.classes_)
        result |= {"n_test": len(test), "test_ids": bunch.ids[test], **tables}
        if not options["as_json"]:
            click.echo(f"Scores on {len(test)} held-out glitches\n\n{format_scores(tables)}")
    if options["as_json"]:
        click.echo(to_json(result))
    if is_interrupted:
        ctx.exit(INTERRUPTED)


def split_classes(
    target: np.ndarray, test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the rows of a training and a test set, with a fraction of each class in the latter."""
    import numpy as np

    from .._training import split_rows

    codes, counts = np.unique(target, return_inverse=True, return_counts=True)[1:]
    if counts.max() < 2:
        raise ValueError("No class has two glitches: --test-fraction 0 trains on all.")
    return split_rows(codes, test_fraction, np.random.RandomState(seed))
