"""``skglitch demo``: a demonstration on simulated glitches."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._fit import split_classes
from ._input import parse_weights
from ._output import (
    INTERRUPTED,
    check_folder,
    format_scores,
    say,
    score_predictions,
    write_json,
)

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from sklearn.utils import Bunch

# Not in the training set: the mirror image of Chirp, as in George, Shen & Huerta (2017).
NEW_CLASS = "Reverse_Chirp"
_FILES = ("model.skglitch", "demo.json", "per_class.csv", "classes.png", "map.png", "confusion.png")


@click.command(short_help="Try everything on simulated glitches.")
@_options.output("Folder for pictures, tables and the model.", "skglitch-demo", is_folder=True)
@_options.count(
    "--samples", least=110, default=770, help="Number of glitches of the 22 known classes."
)
@_options.count("--new", least=8, default=40, help="Number of glitches of the new class.")
@_options.count("--jobs", least=-1, default=-1, help="Number of processes of the simulation.")
@_options.random_state
@_options.backbone
@_options.weights
@_options.max_epochs
@_options.computing
@click.pass_context
def demo(ctx: click.Context, output: Path, overwrite: bool, as_json: bool, **options: Any) -> None:
    """Simulate glitches, classify them, and find a new class.

    Glitches of the 22 classes of Gravity Spy are simulated and transformed to spectrograms. A
    network is fine-tuned on 80 % of them and scored on the rest. Then it embeds glitches of a class
    that was not in the training set, Reverse_Chirp, and skglitch finds them as a cluster.

    Nothing is downloaded. It takes a few minutes on two cores.
    """
    started = time.perf_counter()
    paths = check_folder(output, _FILES, overwrite)

    import numpy as np

    from .._tables import to_json, write_table
    from ..datasets import make_glitches
    from ..display import ConfusionDisplay, EmbeddingDisplay
    from ..estimators import CNNClassifier, Encoder, TruncatedCNNTransformer
    from ..persistence import save

    seed, quiet = options["random_state"], options["quiet"]
    simulation: dict[str, Any] = {
        "weights": "balanced",
        "n_jobs": options["jobs"],
        "device": options["device"] or "auto",
        "progress": not quiet,
    }
    known = make_glitches(options["samples"], random_state=seed, **simulation)
    new = make_glitches(options["new"], classes=[NEW_CLASS], random_state=seed + 1, **simulation)
    train, test = split_classes(known.target, 0.2, seed)

    names = ("backbone", "max_epochs", "device")
    classifier = CNNClassifier(
        # A quarter of the pixels of a mosaic, to save time.
        views="channels",
        encoder=Encoder(durations=known.durations),
        random_state=seed,
        verbose=int(not quiet),
        **{name: options[name] for name in names if options[name]},
        **parse_weights(options["weights"]),
    )
    classifier.fit(known.data[train], known.target[train])
    is_interrupted = bool(classifier.net_.interrupted_)
    if is_interrupted:
        say("The training was interrupted: the results are from the current network.")
    y_prob = classifier.predict_proba(known.data[test])
    y_pred = classifier.classes_[y_prob.argmax(axis=1)]
    tables = score_predictions(known.target[test], y_prob, classifier.classes_)

    X, y = np.concatenate([known.data[test], new.data]), np.append(known.target[test], new.target)
    transformer = TruncatedCNNTransformer(classifier).fit(X[:1])
    embeddings = transformer.transform(X)
    found = find_new_class(
        transformer.transform(known.data[train]), known.target[train], embeddings, y
    )

    save(classifier.set_params(verbose=0), paths["model.skglitch"])
    _draw_classes(paths["classes.png"], known, new)
    _draw(
        paths["confusion.png"],
        (10, 9),
        lambda figure: ConfusionDisplay.from_predictions(known.target[test], y_pred, ax=figure),
    )
    title = f"{len(y)} glitches that were not in the training set"
    _draw(
        paths["map.png"],
        (9, 7),
        lambda figure: EmbeddingDisplay.from_embeddings(
            embeddings, y, title=title, highlight=NEW_CLASS, ax=figure
        ),
    )
    write_table(tables["per_class"], paths["per_class.csv"])
    seconds = time.perf_counter() - started
    result = {"n_train": len(train), "n_test": len(test), "epochs": len(classifier.history_)}
    result |= tables | found | {"seconds": round(seconds, 1)}
    write_json(paths["demo.json"], result)
    if as_json:
        click.echo(to_json(result))
    else:
        click.echo(f"Scores on {len(test)} held-out simulated glitches\n\n{format_scores(tables)}")
        click.echo(f"\n{describe_new_class(found)}")
    say(f"Pictures, tables and the model are in {output} ({seconds:.0f} s)")
    if is_interrupted:
        ctx.exit(INTERRUPTED)


def find_new_class(
    X_train: np.ndarray, y_train: np.ndarray, X: np.ndarray, y: np.ndarray
) -> dict[str, Any]:
    """Find new clusters without the labels `y`, and describe the one with most of the new class."""
    import numpy as np
    from sklearn.neighbors import KNeighborsClassifier

    from ..discovery import discover

    labels = np.append(y_train, np.full(len(y), ""))
    found = discover(np.concatenate([X_train, X]), labels, n_resamples=0, random_state=0)
    cluster = found.glitches["cluster"].to_numpy()[len(X_train) :]
    new_clusters = found.clusters.index[found.clusters["kind"] == "new"]
    is_new = y == NEW_CLASS
    clusters = [cluster == label for label in new_clusters]
    best = max(clusters, key=lambda rows: rows[is_new].sum(), default=np.zeros(len(y), bool))
    neighbors = KNeighborsClassifier(1, metric="cosine").fit(X[~is_new], y[~is_new])
    names, counts = np.unique(neighbors.predict(X[is_new]), return_counts=True)
    return {
        "new_class": NEW_CLASS,
        "n_new_clusters": len(clusters),
        "cluster_size": int(best.sum()),
        "cluster_purity": float(is_new[best].mean()) if best.any() else 0.0,
        "cluster_recall": float(best[is_new].mean()),
        "nearest_class": str(names[counts.argmax()]),
    }


def describe_new_class(found: dict[str, Any]) -> str:
    """Describe how well the new class was found."""
    clusters = f"No new cluster has any of the {NEW_CLASS} glitches."
    if found["cluster_recall"]:
        clusters = (
            f"New clusters: {found['n_new_clusters']}. The best one has "
            f"{found['cluster_recall']:.0%} of the {NEW_CLASS} glitches, and "
            f"{found['cluster_purity']:.0%} of its glitches are {NEW_CLASS}."
        )
    nearest = f"The nearest known class is {found['nearest_class']}."
    return f"{NEW_CLASS} was not in the training set. {clusters} {nearest}"


def _draw_classes(path: Path, known: Bunch, new: Bunch) -> None:
    """Draw the glitch of median SNR of each class, in the view of 2 s."""
    import numpy as np

    from ..display import GalleryDisplay

    view = known.durations.index(2.0)
    views, titles = [], []
    for bunch in (known, new):
        for name in bunch.target_names:
            rows = np.flatnonzero(bunch.target == name)
            median = rows[np.argsort(bunch.snr[rows])[len(rows) // 2]]
            views.append(bunch.data[median, view])
            titles.append(f"{name}, new" if bunch is new else name)
    marked = [title.endswith("new") for title in titles]
    display = GalleryDisplay(views, titles, known.durations[view], marked=marked)
    _draw(path, (14.8, 7.6), lambda figure: display.plot(figure, n_columns=6))


def _draw(path: Path, size: tuple[float, float], plot: Callable[[Figure], Any]) -> None:
    from matplotlib.figure import Figure

    from .._files import written_whole

    figure = Figure(figsize=size, layout="constrained")
    plot(figure)
    with written_whole(path) as file:
        figure.savefig(file, format="png", dpi=110)
