"""Sections on the glitches themselves: which there are, which are odd, what the net sees."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..display import EmbeddingDisplay, compute_saliency_maps
from ._document import Gallery, Picture, Section, Table, counted, facts_table, listed
from ._figures import (
    draw,
    draw_confidence,
    draw_glitch,
    draw_novelty,
    draw_saliency,
    usual_view,
)
from ._findings import FALSE_ALARMS, N_NEIGHBORS, Findings, Novelty

Columns = dict[str, Any]

# So many rows of a table of glitches are on the page; its CSV has all.
_SHOWN = 20
# Classes of which a glitch is shown with what the net looks at, and errors.
_N_CLASSES, _N_ERRORS = 6, 2
_UNLABELLED = "no label"


def data_section(of: Findings) -> Section:
    """Tell what is in the data."""
    n, n_labeled = len(of), int(of.is_labeled.sum())
    heights = " x ".join(map(str, of.X.shape[2:]))
    facts = {
        "glitches": f"{n:,}",
        "with a label": f"{n_labeled:,}",
        "of classes that the net knows": f"{int(of.is_known.sum()):,}",
        "views": f"{listed(of.durations)} s, {heights} pixels, {of.X.dtype}",
    }
    if of.detectors is not None:
        names, counts = np.unique(of.detectors.astype(str), return_counts=True)
        told = [
            f"{name or 'not known'} {count:,}" for name, count in zip(names, counts, strict=True)
        ]
        facts["detectors"] = listed(told)
    if of.times is not None and np.isfinite(of.times.astype(float)).any():
        times = of.times.astype(float)
        first, last = np.nanmin(times), np.nanmax(times)
        facts["GPS times"] = f"{first:.0f} to {last:.0f}, {(last - first) / 86400:.1f} days"
    labels = np.array([str(x) if x is not None else _UNLABELLED for x in of.labels])
    names, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    known = set(map(str, of.classes.tolist()))
    columns: Columns = {
        "label": names[order],
        "glitches": counts[order],
        "share": counts[order] / n,
        "known to the net": [
            None if name == _UNLABELLED else bool(name in known) for name in names[order]
        ],
    }
    text = [
        "What the numbers of this page are of. Look for classes with few glitches: all that is "
        "told of them is uncertain."
    ]
    content: list[Any] = [
        facts_table("data", "The data.", facts),
        Table("labels", "Labels in the data.", columns, percent=("share",), n_shown=60),
    ]
    return Section("data", "What data are these?", text, content)


def guesses_section(of: Findings) -> Section:
    """Tell what the net takes glitches without a label for."""
    rows = np.flatnonzero(~of.is_labeled)
    names, counts = np.unique(of.guesses[rows], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    confidence = of.confidence[rows]
    columns: Columns = {
        "guess": names[order],
        "glitches": counts[order],
        "share": counts[order] / len(rows),
        "median probability": [
            float(np.median(confidence[of.guesses[rows] == name])) for name in names[order]
        ],
    }
    text = [
        f"{counted(len(rows), 'glitch')} have no label, so nothing here says whether the guesses "
        "are right. Look for classes whose median probability is low, and for classes that are "
        "guessed far more often than they should be: what a net does not know it must take for "
        "something that it knows."
    ]
    content: list[Any] = [
        Table(
            "guesses",
            "Guesses for glitches without a label.",
            columns,
            percent=("share", "median probability"),
            n_shown=60,
        ),
        Picture(
            "guesses",
            f"Histogram of probabilities; their median is {100 * np.median(confidence):.0f} %.",
            "How sure the net is of its first guesses.",
            draw_confidence(confidence),
        ),
    ]
    unsure = rows[np.argsort(confidence, kind="stable")][:_SHOWN]
    caption = "The glitches that the net is least sure of."
    content.append(Table("unsure", caption, _about(of, unsure), percent=("probability",)))
    return Section("guesses", "What are glitches without a label taken for?", text, content)


def unknown_section(of: Findings) -> Section:
    """Tell what glitches of classes that the net does not know are taken for."""
    columns: dict[str, list[Any]] = {
        "class": [],
        "glitches": [],
        "mostly taken for": [],
        "share": [],
        "median probability": [],
    }
    if of.novelty is not None:
        columns["called novel"] = []
    for label in of.unknown_classes:
        members = of.labels == label
        names, counts = np.unique(of.guesses[members], return_counts=True)
        row = [
            label,
            int(members.sum()),
            names[counts.argmax()],
            counts.max() / members.sum(),
            float(np.median(of.confidence[members])),
        ]
        if of.novelty is not None:
            row.append(float(of.novelty.is_novel[members].mean()))
        for values, value in zip(columns.values(), row, strict=True):
            values.append(value)
    text = [
        "The data have classes that the net was not trained on. It cannot be right about these, "
        "so they are in no score above. Look at the median probability: where it is high, "
        "certainty is no protection against what is new."
    ]
    table = Table(
        "unknown",
        "Classes that the net does not know, and what it takes them for.",
        columns,
        percent=("share", "median probability", "called novel"),
    )
    return Section("unknown", "Which classes does it not know?", text, [table])


def map_section(of: Findings) -> Section:
    """Draw the map of embeddings."""
    rows, title = of.map_rows, "Which glitches are alike?"
    if of.places is None:
        told = "There is no map: one glitch, or glitches that all look the same to the net."
        return Section("map", title, [told])
    if of.is_labeled.any():
        what = "labels"
        names = np.array([str(x) if x is not None else _UNLABELLED for x in of.labels[rows]])
    else:
        what, names = "the net's guesses, as there are no labels", of.guesses[rows].astype(str)
    text = [
        f"Each point is a glitch, by what the last layer of the net sees of it, laid out by "
        f"{of.map_method}: near points are alike to the net. Colors and markers are {what}. Look "
        "for points among those of another class, which may have a wrong label, and for groups "
        "apart, which may be kinds of their own. Distances between groups and their sizes mean "
        "little."
    ]
    if len(rows) < len(of):
        text.append(
            f"The map has {len(rows):,} of the {len(of):,} glitches, drawn by lot: more would "
            "neither be readable nor quick."
        )
    display = EmbeddingDisplay(of.places, names, method=of.map_method)
    columns = {"id": of.ids[rows], "class": names, "x": of.places[:, 0], "y": of.places[:, 1]}
    n_names = len(np.unique(names))
    picture = Picture(
        "map",
        f"Map of {counted(len(rows), 'glitch')} of {counted(n_names, 'class')}.",
        "The map.",
        draw((6.0, 5.0), lambda figure: display.plot(figure)),
        is_wide=n_names > 8,
    )
    return Section("map", title, text, [picture, Table("map", "The map.", columns, n_shown=0)])


def errors_section(of: Findings, n_pictures: int) -> Section:
    """Show what the net is sure of and the label denies."""
    text = [
        "Glitches that the net is sure of and the label denies: either the net is wrong, or the "
        "label is. Look at the pictures. Where you agree with the net, the label is likely wrong; "
        "scores that count it as an error are too low then."
    ]
    wrong = np.flatnonzero(of.is_wrong)
    wrong = wrong[np.argsort(-of.confidence[wrong], kind="stable")]
    about = _about(of, wrong)
    if of.issues is not None:
        doubtful, score = np.zeros(len(of), dtype=bool), np.full(len(of), np.nan)
        rows = np.flatnonzero(of.is_known)[of.issues.index]
        doubtful[rows], score[rows] = of.issues.flagged, of.issues.score
        about |= {"label doubtful": doubtful[wrong], "label score": score[wrong]}
        n_flagged = int(of.issues.flagged.sum())
        judges = "the net's probabilities and the labels of the nearest other glitches"
        if of.issues.neighbors is None:
            judges = "the net's probabilities"
        text.append(
            f"Confident learning calls {counted(n_flagged, 'label')} of "
            f"{of.is_known.sum():,} doubtful, by {judges}. A net that was trained on these very "
            "labels is a poor judge of them."
        )
    else:
        text.append(f"Doubtful labels were not looked for: {of.no_issues.rstrip('.')}.")
    content: list[Any] = []
    if len(wrong):
        content.append(_gallery(of, wrong[:n_pictures], "error", about))
        caption = f"The {counted(len(wrong), 'error')}, the surest first."
        content.append(Table("errors", caption, about, ("probability",), _SHOWN))
    else:
        text.append("There are no errors to show.")
    return Section("errors", "Where is it surely wrong, or the label?", text, content)


def novelty_section(of: Findings, n_pictures: int) -> Section:
    """Show the glitches that are least like any that the net was trained on."""
    title, novelty = "What is new?", of.novelty
    if novelty is None:
        why = "Novelty was not looked for: there is nothing to compare a single glitch with."
        return Section("novelty", title, [why])
    k = min(N_NEIGHBORS, len(novelty.reference) - 1)
    text = [_about_references(of, novelty, k)]
    groups = {
        "known classes": of.is_known,
        "unknown classes": of.is_labeled & ~of.is_known,
        "no label": ~of.is_labeled,
    }
    groups = {name: members for name, members in groups.items() if members.any()}
    told = [
        f"{100 * novelty.is_novel[members].mean():.1f} % of {counted(int(members.sum()), 'glitch')}"
        f" ({name})"
        for name, members in groups.items()
    ]
    text.append(f"Beyond the threshold are {listed(told)}.")
    order = np.argsort(-novelty.distance, kind="stable")
    about = _about(of, order)
    about |= {"distance": novelty.distance[order], "novel": novelty.is_novel[order]}
    content: list[Any] = [
        Picture(
            "novelty",
            "Histograms of the distance from known glitches; the text has the shares beyond the "
            "threshold.",
            "How far glitches are from known ones.",
            draw_novelty(novelty, groups),
        ),
        _gallery(of, order[:n_pictures], "novel", about),
        Table("novelty", "The most novel first.", about, ("probability",), _SHOWN),
    ]
    return Section("novelty", title, text, content)


def _about_references(of: Findings, novelty: Novelty, k: int) -> str:
    n, rank = len(novelty.reference), int(FALSE_ALARMS * (len(novelty.reference) + 1))
    beyond = f"{100 * FALSE_ALARMS:g} % of these" if rank else "none of these, which are few,"
    nearest = {1: "nearest", 2: "second nearest", 3: "third nearest", 4: "fourth nearest"}
    told = (
        f"Distances between features, of length 1, from the {nearest.get(k, 'fifth nearest')} of "
        f"{counted(n, 'glitch')} "
    )
    if novelty.is_own:
        return (
            f"{told}of these data, as the model keeps none that it was trained on: this finds what "
            f"is odd among them, not what is new to the net. The threshold is where {beyond} are "
            "beyond."
        )
    kept = set(of.classifier.exemplar_classes_.tolist())
    lacking = [label for label in of.classes.tolist() if label not in kept]
    told += (
        "that the net was trained on, whose features the model keeps. Look at the pictures of the "
        "furthest: new kinds, several glitches at once, broken pictures. The threshold is where "
        f"{beyond} are beyond. A net knows its training glitches better than others of the same "
        "kind, so that more than that share of known kinds may be beyond."
    )
    if lacking:
        told += f" None is kept of {listed(lacking)}: these look new."
    return told


def saliency_section(of: Findings) -> Section:
    """Show what speaks for the guesses."""
    title = "What does the net look at?"
    rows = _examples(of)
    try:
        maps = compute_saliency_maps(of.classifier, of.X[rows])
    except ValueError as error:
        return Section("saliency", title, [f"This cannot be drawn: {error}"])
    text = [
        "Orange are the places that speak for the guess, over the spectrogram in gray. Look for "
        "orange where there is no glitch: then the net goes by something else, such as noise that "
        "comes with a class. The maps are coarse, and tell what the net used, not what is right. "
        f"Shown are the surest glitch of up to {_N_CLASSES} classes, those with most glitches, and "
        f"the surest {_N_ERRORS} errors."
    ]
    pictures = [
        Picture(
            f"saliency-{number}",
            f"Spectrogram of {_told(of, row)} with what speaks for the guess in orange.",
            _told(of, row),
            draw_saliency(of, row, maps[number - 1]),
        )
        for number, row in enumerate(rows, start=1)
    ]
    return Section("saliency", title, text, [Gallery(pictures)])


def _examples(of: Findings) -> np.ndarray:
    """Rows of the surest glitch of each class, then of errors."""
    right = ~of.is_wrong & (of.is_known | ~of.is_labeled)
    names, counts = np.unique(of.guesses[right], return_counts=True)
    common = names[np.argsort(-counts, kind="stable")][:_N_CLASSES]
    surest = [
        rows[of.confidence[rows].argmax()]
        for rows in (np.flatnonzero(right & (of.guesses == name)) for name in common)
    ]
    wrong = np.flatnonzero(of.is_wrong)
    wrong = wrong[np.argsort(-of.confidence[wrong], kind="stable")][:_N_ERRORS]
    rows = np.concatenate([surest, wrong]).astype(int)
    # Where the net knows no class of the data, it is of interest all the same.
    return rows if len(rows) else np.array([of.confidence.argmax()])


def _about(of: Findings, rows: np.ndarray) -> dict[str, Any]:
    """Columns with what is known of glitches and guessed."""
    columns: dict[str, Any] = {"number": np.arange(1, len(rows) + 1), "id": of.ids[rows]}
    if of.is_labeled.any():
        columns["label"] = of.labels[rows]
    return columns | {"guess": of.guesses[rows], "probability": of.confidence[rows].astype(float)}


def _told(of: Findings, row: int) -> str:
    label = of.labels[row]
    named = _UNLABELLED if label is None else f"label {label}"
    return f"{of.ids[row]}: {named}, guess {of.guesses[row]}, {100 * of.confidence[row]:.1f} %"


def _gallery(of: Findings, rows: np.ndarray, name: str, about: dict[str, Any]) -> Gallery:
    duration = of.durations[usual_view(of.durations)]
    extra = about.get("distance")
    pictures = []
    for number, row in enumerate(rows, start=1):
        told = f"{number}. {_told(of, row)}"
        if extra is not None:
            told += f", distance {extra[number - 1]:.3g}"
        alt = f"Spectrogram of {of.ids[row]}, the view of {duration} s."
        pictures.append(Picture(f"{name}-{number}", alt, told, draw_glitch(of, row)))
    return Gallery(pictures)
