"""``skglitch fit``: train a classifier on labeled glitches."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._data import load_glitches
from ._messages import INTERRUPTED, say
from ._output import check_output, format_scores, to_json

if TYPE_CHECKING:
    import numpy as np
    from sklearn.utils import Bunch

    from ..estimators import CNNClassifier

# Options that are parameters of CNNClassifier. One that is not given is not passed on, so that
# the defaults are written down in one place only.
_PARAMETERS = (
    "backbone",
    "views",
    "max_epochs",
    "batch_size",
    "learning_rate",
    "fine_tune",
    "class_weight",
    "early_stopping",
    "device",
    "precision",
    "random_state",
)


@click.command(short_help="Train a classifier on labeled glitches.")
@_options.source
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("model.skglitch"),
    show_default=True,
    help="Where the model goes.",
)
@_options.overwrite
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
    help="The highest it gets.",
)
@click.option("--fine-tune", help="all, head, or the name of the first layer to train.")
@click.option(
    "--class-weight", type=click.Choice(["balanced"]), help="Count rare classes as much as others."
)
@click.option(
    "--early-stopping", is_flag=True, default=None, help="Stop when a held-out part says so."
)
@_options.random_state
@click.option(
    "--test-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="X",
    default=0.2,
    show_default=True,
    help="Part of each class that is held out for the score; 0 trains on all, without a score.",
)
@_options.as_json
@_options.running
@click.pass_context
def fit(
    ctx: click.Context, source: Path | None, output: Path, overwrite: bool, **options: Any
) -> None:
    """Train a classifier on the labeled glitches of SOURCE and save it.

    The classes are the folders of pictures, the labels of an HDF5 file or those of the triggers.
    A part of each is held out (--test-fraction): the scores on it, top-1 to top-5 with 95 %
    intervals and those of each class, go to stdout. What is saved is the net that was scored.

    Ctrl-C ends the training and saves the net so far; the exit code is then 130.

    Options that are left out have the defaults of skglitch.CNNClassifier.
    """
    check_output(output, overwrite)
    classifier = _make_classifier(options)
    bunch = _labeled(load_glitches(source, options["durations"], options["size"], options))
    # What predict and embed will read.
    classifier.set_params(encoder__durations=bunch.durations)
    train, test = _split(bunch.target, options["test_fraction"], options["random_state"])
    started = time.perf_counter()
    _train(classifier, bunch, train)
    seconds = time.perf_counter() - started
    _save(classifier, output)
    interrupted = bool(classifier.net_.interrupted_)
    result = {
        "model": str(output),
        "classes": classifier.classes_.tolist(),
        "durations": list(bunch.durations),
        "epochs": len(classifier.history_),
        "seconds": round(seconds, 3),
        "interrupted": interrupted,
        "n_train": len(bunch.target) if train is None else len(train),
    }
    _report(result, classifier, bunch, test, options)
    if interrupted:
        ctx.exit(INTERRUPTED)


def _labeled(bunch: Bunch) -> Bunch:
    """Keep those that have a label."""
    if bunch.target is None:
        raise ValueError(
            "There is nothing to learn from: a folder of pictures has no class folders, or a file "
            "or a table no 'label'."
        )
    from .._labels import is_labeled

    kept = is_labeled(bunch.target)
    if not kept.all():
        say(f"{(~kept).sum()} glitches without a label are left out.")
        for name in ("data", "target", "ids"):
            bunch[name] = bunch[name][kept]
    return bunch


def _make_classifier(options: Mapping[str, Any]) -> CNNClassifier:
    from .._backbones import list_backbones, make_backbone
    from ..estimators import CNNClassifier

    given = {name: options[name] for name in _PARAMETERS if options[name] is not None}
    if options["weights"] is not None:
        given["weights"] = None if options["weights"] == "none" else options["weights"]
    backbone = given.get("backbone")
    if backbone is not None and backbone not in list_backbones():
        # Fails, with the nearest names, before a folder is read for minutes.
        make_backbone(backbone, weights=None)
    return CNNClassifier(**given, verbose=int(not options["quiet"]))


def _split(
    target: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Hold out a part of each class; None for the training part means all rows."""
    if not fraction:
        return None, None
    import numpy as np

    from .._training import split_rows

    codes, counts = np.unique(target, return_inverse=True, return_counts=True)[1:]
    if counts.max() < 2:
        raise ValueError(
            "No class has two glitches, so none can be held out: --test-fraction 0 trains on all."
        )
    return split_rows(codes, fraction, np.random.RandomState(seed))


def _train(classifier: CNNClassifier, bunch: Bunch, train: np.ndarray | None) -> None:
    if train is None:
        # Not bunch.data[all rows]: that would be a copy in memory of what is on disk.
        classifier.fit(bunch.data, bunch.target)
    else:
        classifier.fit(bunch.data[train], bunch.target[train])


def _save(classifier: CNNClassifier, output: Path) -> None:
    """Save before anything else can go wrong: training is what takes long."""
    from ..persistence import save

    # How this run was told to speak is not part of the model.
    verbose = classifier.verbose
    save(classifier.set_params(verbose=0), output)
    classifier.set_params(verbose=verbose)
    state = "The net so far" if classifier.net_.interrupted_ else "The model"
    say(f"{state} is saved as {output}")


def _report(
    result: dict[str, Any],
    classifier: CNNClassifier,
    bunch: Bunch,
    test: np.ndarray | None,
    options: Mapping[str, Any],
) -> None:
    if test is None:
        tables = {}
    else:
        tables = _score(classifier, bunch, test)
        result |= {"n_test": len(test), "test_ids": bunch.ids[test].tolist()}
    if options["as_json"]:
        click.echo(to_json(result | tables))
        return
    if test is not None:
        click.echo(f"Scores on {len(test)} glitches that were held out\n")
    click.echo("\n\n".join(map(format_scores, tables.values())), nl=bool(tables))


def _score(classifier: CNNClassifier, bunch: Bunch, test: np.ndarray) -> dict[str, Any]:
    from ..metrics import classification_table, top_k_table

    labels, target = classifier.classes_, bunch.target[test]
    scores = classifier.predict_proba(bunch.data[test])
    return {
        "top_k": top_k_table(target, scores, labels=labels),
        "per_class": classification_table(target, labels[scores.argmax(axis=1)], labels=labels),
    }
