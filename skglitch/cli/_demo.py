"""``skglitch demo``: all of it on simulated glitches, with nothing downloaded."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._messages import INTERRUPTED, say
from ._output import check_folder, format_scores, to_json, write_json, write_table

if TYPE_CHECKING:
    import numpy as np
    from sklearn.utils import Bunch

    from ..estimators import CNNClassifier

# Never shown to the net: the mirror of Chirp, as in the paper.
NEW_CLASS = "Reverse_Chirp"
_TEST_FRACTION = 0.2
_FILES = (
    *("model.skglitch", "demo.json", "per_class.csv"),
    *("classes.png", "map.png", "confusion.png"),
)


@click.command(short_help="See it all at work on simulated glitches.")
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("skglitch-demo"),
    show_default=True,
    help="Folder for pictures, tables and the model.",
)
@_options.overwrite
@click.option(
    "--samples",
    type=click.IntRange(110),
    metavar="N",
    default=770,
    show_default=True,
    help="Glitches of the 22 known classes, as many of each.",
)
@click.option(
    "--new",
    type=click.IntRange(8),
    metavar="N",
    default=40,
    show_default=True,
    help="Glitches of the class that the net never sees in training.",
)
@click.option(
    "--jobs",
    type=click.IntRange(-1),
    metavar="N",
    default=-1,
    show_default=True,
    help="Processes that simulate.",
)
@_options.random_state
@_options.backbone
@_options.weights
@_options.max_epochs
@_options.as_json
@_options.running_alone
@click.pass_context
def demo(ctx: click.Context, output: Path, overwrite: bool, **options: Any) -> None:
    """Simulate glitches, learn to classify them, and find a class that is new.

    Strain with glitches of the 22 classes of Gravity Spy is simulated and turned into
    spectrograms. A net is fine-tuned on four fifths of them and scored on the rest. Then it is
    shown glitches of a class that it never saw, Reverse_Chirp: they gather in a place of their own.

    Nothing is downloaded. It takes a few minutes on two cores.
    """
    started = time.perf_counter()
    targets = check_folder(output, _FILES, overwrite)
    known, new = _simulate(options)
    train, test = _split(known.target, options["random_state"])
    classifier = _train(known, train, options)
    result, predicted = _score(classifier, known, test, options["as_json"])
    if classifier.net_.interrupted_:
        say("Training was interrupted: what follows is of the net so far.")
    seen, embeddings, labels = _embed(classifier, known, train, test, new)
    result |= find_new_class(seen, known.target[train], embeddings, labels)
    _tell_new_class(result, options["as_json"])
    _write(targets, classifier, known, new, (test, predicted), (embeddings, labels))
    result["seconds"] = round(time.perf_counter() - started, 1)
    write_json(targets["demo.json"], result)
    write_table(targets["per_class.csv"], result["per_class"].reset_index())
    say(f"Pictures, tables and the model are in {output}; it took {result['seconds']:.0f} s.")
    if options["as_json"]:
        click.echo(to_json(result))
    if classifier.net_.interrupted_:
        ctx.exit(INTERRUPTED)


def _simulate(options: dict[str, Any]) -> tuple[Bunch, Bunch]:
    from ..datasets import make_glitches

    shared: dict[str, Any] = {
        "weights": "balanced",
        "n_jobs": options["jobs"],
        "device": options["device"] or "auto",
        "progress": not options["quiet"],
    }
    seed = options["random_state"]
    known = make_glitches(options["samples"], random_state=seed, **shared)
    new = make_glitches(options["new"], classes=[NEW_CLASS], random_state=seed + 1, **shared)
    return known, new


def _split(target: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    from .._training import split_rows

    codes = np.unique(target, return_inverse=True)[1]
    return split_rows(codes, _TEST_FRACTION, np.random.RandomState(seed))


def _train(known: Bunch, train: np.ndarray, options: dict[str, Any]) -> CNNClassifier:
    from ..estimators import CNNClassifier, Encoder

    given = {name: options[name] for name in ("backbone", "max_epochs", "device") if options[name]}
    if options["weights"] is not None:
        given["weights"] = None if options["weights"] == "none" else options["weights"]
    classifier = CNNClassifier(
        # A quarter of the pixels of a mosaic: this is to be quick.
        views="channels",
        encoder=Encoder(durations=known.durations),
        random_state=options["random_state"],
        verbose=int(not options["quiet"]),
        **given,
    )
    return classifier.fit(known.data[train], known.target[train])


def _score(
    classifier: CNNClassifier, known: Bunch, test: np.ndarray, as_json: bool
) -> tuple[dict[str, Any], np.ndarray]:
    from ..metrics import classification_table, top_k_table

    labels, target = classifier.classes_, known.target[test]
    scores = classifier.predict_proba(known.data[test])
    predicted = labels[scores.argmax(axis=1)]
    top_k = top_k_table(target, scores, labels=labels)
    per_class = classification_table(target, predicted, labels=labels)
    if not as_json:
        click.echo(f"Scores on {len(test)} simulated glitches that were held out\n")
        click.echo(f"{format_scores(top_k)}\n\n{format_scores(per_class)}\n")
    result = {
        "n_train": len(known.target) - len(test),
        "n_test": len(test),
        "epochs": len(classifier.history_),
        "top_k": top_k,
        "per_class": per_class,
    }
    return result, predicted


def _embed(
    classifier: CNNClassifier, known: Bunch, train: np.ndarray, test: np.ndarray, new: Bunch
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings of the training set, then of what was held out and of the new class."""
    import numpy as np

    from ..estimators import TruncatedCNNTransformer

    X = np.concatenate([known.data[test], new.data])
    labels = np.concatenate([known.target[test], new.target])
    transformer = TruncatedCNNTransformer(classifier).fit(X[:1])
    return transformer.transform(known.data[train]), transformer.transform(X), labels


def find_new_class(
    seen: np.ndarray, seen_labels: np.ndarray, embeddings: np.ndarray, labels: np.ndarray
) -> dict[str, Any]:
    """Look for clusters that are new to what was seen in training, then see what is in them.

    Parameters
    ----------
    seen : ndarray of shape (n_seen, d)
        Embeddings of the glitches of training.
    seen_labels : ndarray of shape (n_seen,)
    embeddings : ndarray of shape (n, d)
        Of glitches that were held out and of the new class.
    labels : ndarray of shape (n,)
        Their classes, which the search is not told.

    Returns
    -------
    result : dict
        ``n_new_clusters``; ``cluster_purity`` and ``cluster_recall`` of the one that holds most of
        the new class; and ``nearest_class``, the class of most of its nearest known neighbors.
    """
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    from ..discovery import NewClassFinder

    told = np.concatenate([seen_labels, np.repeat("", len(labels))])
    finder = NewClassFinder(n_resamples=0, random_state=0)
    finder.fit(np.concatenate([seen, embeddings]), told)
    is_new = labels == NEW_CLASS
    clusters = [finder.labels_[len(seen) :] == label for label in finder.new_clusters_.index]
    inside = max(clusters, key=lambda rows: int(rows[is_new].sum()), default=is_new & False)
    index = NearestNeighbors(n_neighbors=1, metric="cosine").fit(embeddings[~is_new])
    neighbors = index.kneighbors(embeddings[is_new], return_distance=False)[:, 0]
    names, counts = np.unique(labels[~is_new][neighbors], return_counts=True)
    return {
        "new_class": NEW_CLASS,
        "n_new_clusters": len(clusters),
        "cluster_size": int(inside.sum()),
        "cluster_purity": float(is_new[inside].mean()) if inside.any() else 0.0,
        "cluster_recall": float(inside[is_new].mean()),
        "nearest_class": str(names[counts.argmax()]),
    }


def _tell_new_class(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return
    click.echo(
        f"{NEW_CLASS} was in no training set. Clusters that are new to it: "
        f"{result['n_new_clusters']}. One holds {result['cluster_recall']:.0%} of it, and "
        f"{result['cluster_purity']:.0%} of that cluster is {NEW_CLASS}. Most of its nearest "
        f"known neighbors are of the class {result['nearest_class']}.\n"
    )


def _write(
    targets: dict[str, Path],
    classifier: CNNClassifier,
    known: Bunch,
    new: Bunch,
    scored: tuple[np.ndarray, np.ndarray],
    embedded: tuple[np.ndarray, np.ndarray],
) -> None:
    from ..persistence import save
    from . import _figures

    verbose = classifier.verbose
    save(classifier.set_params(verbose=0), targets["model.skglitch"])
    classifier.set_params(verbose=verbose)
    test, predicted = scored
    _figures.draw_classes(targets["classes.png"], known, new)
    _figures.draw_confusion(targets["confusion.png"], known.target[test], predicted)
    _figures.draw_map(targets["map.png"], *embedded, NEW_CLASS)
