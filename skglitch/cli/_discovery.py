"""What ``skglitch discover`` looks for in embeddings, and the tables that tell of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._tables import format_table
from ._cluster_table import tabulate_clusters
from ._messages import say
from ._onsets import check_onsets, tabulate_onsets

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ..discovery import NewClassFinder

# So many known glitches are needed to compare with.
_LEAST_KNOWN = 2
# So many ids, the most doubtful first, are printed.
_SHOWN = 10


@dataclass
class Glitches:
    """Embeddings, and what is known of each glitch.

    Attributes
    ----------
    embeddings : ndarray of shape (n, d)
    ids, ifo, labels : ndarray of shape (n,), dtype str
        Empty where there is none.
    gps : ndarray of shape (n,), dtype float64
        NaN where it is not known.
    is_reference : ndarray of shape (n,), dtype bool
        Those that are there to tell what is known only.
    """

    embeddings: NDArray[Any]
    ids: NDArray[Any]
    ifo: NDArray[Any]
    labels: NDArray[Any]
    gps: NDArray[np.float64]
    is_reference: NDArray[np.bool_]

    @classmethod
    def make(
        cls, embeddings: NDArray[Any], about: Mapping[str, Any], *, is_reference: bool = False
    ) -> Glitches:
        """Take what files and sources tell; of columns that are missing nothing is known."""
        n = len(embeddings)
        texts = [np.asarray(about.get(name, np.full(n, ""))).astype(str) for name in _TEXTS]
        gps = np.asarray(about.get("gps_time", np.full(n, np.nan)), dtype=np.float64)
        ids, ifo, labels = texts
        return cls(embeddings, ids, ifo, labels, gps, np.full(n, is_reference))

    def __add__(self, other: Glitches) -> Glitches:
        widths = self.embeddings.shape[1], other.embeddings.shape[1]
        if widths[0] != widths[1]:
            raise ValueError(
                f"--known: its embeddings have {widths[1]} numbers, the others {widths[0]}: all "
                "must come from the same net."
            )
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Glitches(*(np.concatenate(pair) for pair in pairs))


_TEXTS = ("id", "ifo", "label")


@dataclass
class Found:
    """What a search found.

    Attributes
    ----------
    finder : NewClassFinder
        Fitted.
    tables : dict of str to dict
        Columns of ``clusters``, ``glitches`` and, where there are times, ``onsets``.
    onsets : pandas.DataFrame or None
    n_labeled : int
        How many glitches are known.
    false_alarm_probability : float
    """

    finder: NewClassFinder
    tables: dict[str, dict[str, Any]]
    onsets: pd.DataFrame | None
    n_labeled: int
    false_alarm_probability: float

    def to_dict(self) -> dict[str, Any]:
        """Give all but the table of glitches as plain values."""
        glitches = self.tables["glitches"]
        return {
            "n_glitches": len(self.finder.labels_),
            "n_labeled": self.n_labeled,
            "n_clusters": len(self.finder.clusters_),
            "n_new_clusters": len(self.finder.new_clusters_),
            "n_in_no_cluster": int((self.finder.labels_ < 0).sum()),
            "false_alarm_probability": self.false_alarm_probability,
            "n_novel": _count(glitches.get("novel")),
            "n_labels_flagged": _count(glitches.get("label_flagged")),
            **{name: columns for name, columns in self.tables.items() if name != "glitches"},
        }

    def summary(self) -> str:
        """Tell people what was found."""
        n, labeled = len(self.finder.labels_), self.n_labeled
        parts = [f"{n} glitches, {labeled} of them labeled", self.finder.summary()]
        clusters, glitches = self.tables["clusters"], self.tables["glitches"]
        new = [
            f"  cluster {one.label}: {clusters['typical'][one.label]}"
            for one in self.finder.new_clusters_
        ]
        if new:
            parts.append("\n".join(["Typical glitches of new clusters, the largest first", *new]))
        if "novel" in glitches:
            parts.append(self._tell_novel(glitches["novel"], glitches["is_known"]))
        if "label_flagged" in glitches:
            parts.append(_tell_issues(glitches))
        if self.onsets is not None:
            shown = self.onsets.loc[:, (self.onsets != "").any()]
            parts.append(f"When the rate of each changed most\n\n{format_table(shown)}")
        return "\n\n".join(parts)

    def _tell_novel(self, novel: NDArray[np.bool_], is_known: NDArray[np.bool_]) -> str:
        told, which = novel[~is_known], "glitches without a label are novel"
        if not len(told):
            told, which = novel, "glitches are odd to the others"
        return (
            f"{told.sum()} of {len(told)} {which}, at a false-alarm rate of "
            f"{self.false_alarm_probability:g}"
        )


def _count(flags: NDArray[np.bool_] | None) -> int | None:
    return None if flags is None else int(flags.sum())


def _tell_issues(glitches: Mapping[str, NDArray[Any]]) -> str:
    flagged = np.flatnonzero(glitches["label_flagged"])
    flagged = flagged[np.argsort(glitches["label_score"][flagged], kind="stable")]
    columns = (glitches[name] for name in ("id", "label", "suggested_label"))
    told = [
        f"  {one}: {given}, perhaps {suggested}"
        for one, given, suggested in zip(*(c[flagged[:_SHOWN]] for c in columns), strict=True)
    ]
    return "\n".join([f"{len(flagged)} labels are flagged, the most doubtful first", *told])


def search(
    glitches: Glitches,
    guessed: Mapping[str, NDArray[Any]],
    *,
    unlabeled: tuple[str, ...],
    false_alarm_probability: float,
    novelty_method: str | None,
    label_issues: bool,
    segments: Any,
    runs: Any,
    clustering: Mapping[str, Any],
    seed: int,
) -> Found:
    """Look for new classes, novel glitches, wrong labels and beginnings.

    Parameters
    ----------
    glitches : Glitches
    guessed : mapping of str to ndarray of shape (n,)
        More columns of the table of glitches.
    unlabeled : tuple of str
        Classes whose labels do not count.
    false_alarm_probability : float
        As in :class:`skglitch.discovery.NoveltyDetector`.
    novelty_method : str or None
        Its method, None for the default.
    label_issues : bool
        Whether to look for wrong labels.
    segments, runs : object
        As in :func:`skglitch.discovery.find_onsets`.
    clustering : mapping of str to object
        Parameters of :class:`skglitch.discovery.NewClassFinder`.
    seed : int

    Returns
    -------
    found : Found
    """
    from ..discovery import NewClassFinder

    labels = without_labels(glitches.labels, unlabeled)
    is_known = labels != ""
    _tell_of_twins(glitches)
    # Clusters last: they take the longest, and what is wrong shows before.
    check_onsets(glitches, segments, runs)
    odd = {}
    if is_known.sum() >= _LEAST_KNOWN:
        odd = find_novel(
            glitches.embeddings, labels, false_alarm_probability, method=novelty_method, seed=seed
        )
    else:
        say("Too few glitches have a label to call others novel: --known takes labeled ones.")
    if label_issues:
        odd |= find_issues(glitches.embeddings, labels, seed)
    finder = NewClassFinder(random_state=seed, **clustering).fit(glitches.embeddings, labels)
    columns = _describe(glitches) | {
        "is_known": is_known,
        "cluster": finder.labels_,
        "membership": finder.membership_,
        **guessed,
        **odd,
    }
    onsets = tabulate_onsets(glitches, finder.labels_, segments, runs, seed)
    tables: dict[str, dict[str, Any]] = {
        "clusters": tabulate_clusters(finder, glitches.ids, columns),
        "glitches": columns,
    }
    if onsets is not None:
        tables["onsets"] = onsets.to_dict("list")
    return Found(finder, tables, onsets, int(is_known.sum()), false_alarm_probability)


def _tell_of_twins(glitches: Glitches) -> None:
    """Say which ids do not tell which glitch is meant; known ones may be there once more."""
    own = ~glitches.is_reference
    names = zip(glitches.ids[own].tolist(), glitches.ifo[own].tolist(), strict=True)
    shared = {name: n for name, n in Counter(names).items() if n > 1}
    if shared:
        (first, _), *_ = shared
        say(
            f"{sum(shared.values())} glitches share {len(shared)} ids, such as {first!r}: tables "
            "tell them apart by the order of rows only."
        )


def _describe(glitches: Glitches) -> dict[str, NDArray[Any]]:
    """Make the columns of what is known, without those that would be empty."""
    columns = {"id": glitches.ids}
    if (glitches.ifo != "").any():
        columns["ifo"] = glitches.ifo
    if np.isfinite(glitches.gps).any():
        columns["gps_time"] = glitches.gps
    if (glitches.labels != "").any():
        columns["label"] = glitches.labels
    if glitches.is_reference.any():
        columns["is_reference"] = glitches.is_reference
    return columns


def without_labels(labels: NDArray[Any], names: tuple[str, ...]) -> NDArray[Any]:
    """Take the labels of some classes away."""
    absent = sorted(set(names) - set(labels.tolist()))
    if absent:
        there = ", ".join(sorted(set(labels.tolist()) - {""})) or "none"
        raise ValueError(
            f"--unlabeled: no glitch is labeled {' or '.join(map(repr, absent))}; the labels are "
            f"{there}."
        )
    return np.where(np.isin(labels, names), "", labels)


def find_novel(
    embeddings: NDArray[Any],
    labels: NDArray[Any],
    rate: float,
    *,
    method: str | None = None,
    seed: int = 0,
) -> dict[str, NDArray[Any]]:
    """Tell how odd each glitch is to the known ones.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d)
    labels : ndarray of shape (n,), dtype str
        Empty for those that are not known; two at least are.
    rate : float
        Share of known glitches that are called novel.
    method : str, default=None
        Of :class:`skglitch.discovery.NoveltyDetector`; None is its default.
    seed : int, default=0

    Returns
    -------
    columns : dict of str to ndarray of shape (n,)
        ``novelty_p_value``, how often a known glitch looks at least as odd to the others, and
        ``novel``. A known glitch is compared with the other known ones.
    """
    from ..discovery import NoveltyDetector

    is_known = labels != ""
    detector = NoveltyDetector(false_alarm_probability=rate, random_state=seed)
    if method is not None:
        detector.set_params(method=method)
    detector.fit(embeddings[is_known], labels[is_known])
    held_out = detector.held_out_scores_
    scores, p_values = np.empty(len(embeddings)), np.empty(len(embeddings))
    scores[is_known] = held_out
    # It is one of the known ones itself: m - 1 others, and 1 for itself.
    p_values[is_known] = np.searchsorted(np.sort(held_out), held_out, side="right") / len(held_out)
    if not is_known.all():
        scores[~is_known] = detector.score_samples(embeddings[~is_known])
        p_values[~is_known] = detector.p_values(embeddings[~is_known])
    return {"novelty_p_value": p_values, "novel": scores < detector.offset_}


def find_issues(
    embeddings: NDArray[Any], labels: NDArray[Any], seed: int
) -> dict[str, NDArray[Any]]:
    """Tell which labels are probably wrong.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d)
    labels : ndarray of shape (n,), dtype str
        Empty where there is none.
    seed : int

    Returns
    -------
    columns : dict of str to ndarray of shape (n,)
        ``label_score``, NaN without a label, ``label_flagged`` and ``suggested_label``.
    """
    from ..discovery import find_label_issues

    rows = np.flatnonzero(labels != "")
    if not len(rows):
        raise ValueError("--label-issues: no glitch has a label that could be wrong.")
    issues = find_label_issues(embeddings[rows], labels[rows], random_state=seed)
    score, flagged = np.full(len(labels), np.nan), np.zeros(len(labels), dtype=bool)
    suggested = np.full(len(labels), "", dtype=object)
    examined = rows[issues.index]
    score[examined], flagged[examined] = issues["score"], issues["flagged"]
    suggested[examined] = issues["suggested"]
    return {
        "label_score": score,
        "label_flagged": flagged,
        "suggested_label": suggested.astype(str),
    }
