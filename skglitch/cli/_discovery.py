"""The search of ``skglitch discover``, and its result as text and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._tables import format_table
from ._messages import say

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ..discovery import Discovery

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
    """The result of a search.

    Attributes
    ----------
    discovery : Discovery
        With the ids of glitches, and typical members of clusters by id.
    false_alarm_probability : float
    """

    discovery: Discovery
    false_alarm_probability: float

    def tables(self) -> dict[str, pd.DataFrame]:
        """Give the tables to write, by name."""
        found = self.discovery
        tables = {"clusters": found.clusters.reset_index(), "glitches": found.glitches}
        return tables if found.onsets is None else tables | {"onsets": found.onsets}

    def to_dict(self) -> dict[str, Any]:
        """Give all but the table of glitches as plain values."""
        glitches, clusters = self.discovery.glitches, self.discovery.clusters
        counts = {
            name: int(glitches[column].sum()) if column in glitches else None
            for name, column in (("n_novel", "is_novel"), ("n_labels_flagged", "label_flagged"))
        }
        return {
            "n_glitches": len(glitches),
            "n_labeled": int(glitches["is_labeled"].sum()),
            "n_clusters": len(clusters),
            "n_new_clusters": int((clusters["kind"] == "new").sum()),
            "n_in_no_cluster": int((glitches["cluster"] < 0).sum()),
            "false_alarm_probability": self.false_alarm_probability,
            **counts,
            **{
                name: table.to_dict("list")
                for name, table in self.tables().items()
                if name != "glitches"
            },
        }

    def summary(self) -> str:
        """Summarize the result for people."""
        glitches, clusters = self.discovery.glitches, self.discovery.clusters
        shown = clusters[["kind", "class", "size", "purity", "stability", "nearest_1"]]
        n_outside = int((glitches["cluster"] < 0).sum())
        parts = [
            f"{len(glitches)} glitches, {glitches['is_labeled'].sum()} of them labeled",
            format_table(shown, percent=["purity", "stability"], na_rep=""),
            f"In no cluster: {n_outside} of {len(glitches)}",
        ]
        new = clusters[clusters["kind"] == "new"].sort_values("size", ascending=False)
        if len(new):
            lines = [f"  cluster {label}: {ids}" for label, ids in new["typical"].items()]
            parts.append("\n".join(["Typical glitches of new clusters, the largest first", *lines]))
        if "is_novel" in glitches:
            judged, which = glitches[~glitches["is_labeled"]], "glitches without a label are novel"
            if not len(judged):
                judged, which = glitches, "glitches are novel to the others"
            parts.append(
                f"{judged['is_novel'].sum()} of {len(judged)} {which}, at a false-alarm "
                f"probability of {self.false_alarm_probability:g}"
            )
        if "label_flagged" in glitches:
            parts.append(_list_issues(glitches))
        if self.discovery.onsets is not None:
            onsets = self.discovery.onsets
            onsets = onsets.loc[:, (onsets != "").any()]
            parts.append(f"When the rate of each changed most\n\n{format_table(onsets)}")
        return "\n\n".join(parts)


def _list_issues(glitches: pd.DataFrame) -> str:
    flagged = glitches[glitches["label_flagged"].astype(bool)]
    flagged = flagged.sort_values("label_score", kind="stable")
    lines = [
        f"  {row.id}: {row.label}, perhaps {row.suggested_label}"
        for row in flagged.head(_SHOWN).itertuples()
    ]
    return "\n".join([f"{len(flagged)} labels are flagged, the most doubtful first", *lines])


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
    min_cluster_size: int | str,
    seed: int,
) -> Found:
    """Run :func:`skglitch.discovery.discover`, and add ids to its tables.

    Parameters
    ----------
    glitches : Glitches
    guessed : mapping of str to ndarray of shape (n,)
        More columns of the table of glitches.
    unlabeled, label_issues, segments, runs, min_cluster_size : object
        As in :func:`skglitch.discovery.discover`.
    false_alarm_probability, novelty_method : object
        As in :class:`skglitch.discovery.NoveltyDetector`; None is the default method.
    seed : int

    Returns
    -------
    found : Found
    """
    from ..discovery import NoveltyDetector, discover

    _report_shared_ids(glitches)
    detector = NoveltyDetector(false_alarm_probability=false_alarm_probability, random_state=seed)
    if novelty_method is not None:
        detector.set_params(method=novelty_method)
    has_ifo, has_gps = (glitches.ifo != "").any(), np.isfinite(glitches.gps).any()
    found = discover(
        glitches.embeddings,
        glitches.labels,
        gps=glitches.gps if has_gps else None,
        ifo=glitches.ifo if has_ifo else None,
        is_reference=glitches.is_reference if glitches.is_reference.any() else None,
        segments=segments,
        runs=runs,
        unlabeled=list(unlabeled) or None,
        detector=detector,
        min_cluster_size=min_cluster_size,
        label_issues=label_issues,
        random_state=seed,
    )
    table = found.glitches.rename(columns={"gps": "gps_time"})
    table.insert(0, "id", glitches.ids)
    if not (glitches.labels != "").any():
        table = table.drop(columns="label")
    for name, values in guessed.items():
        table[name] = values
    if found.label_issues is not None:
        issues = found.label_issues
        table["label_score"] = issues["score"]
        table["label_flagged"] = table.index.isin(issues.index[issues["flagged"]])
        table["suggested_label"] = issues["suggested"].reindex(table.index).fillna("")
    if "is_novel" not in table:
        say("Too few glitches have a label to call others novel: --known takes labeled ones.")
    clusters = found.clusters.copy()
    for name in ("typical", "borderline"):
        clusters[name] = [" ".join(glitches.ids[rows]) for rows in clusters[name]]
    if "prediction" in table:
        counts = [
            table["prediction"][table["cluster"] == label].value_counts(normalize=True)
            for label in clusters.index
        ]
        clusters["predicted"] = [str(count.index[0]) for count in counts]
        clusters["predicted_share"] = [float(count.iloc[0]) for count in counts]
    onsets = None if found.onsets is None or not len(found.onsets) else found.onsets
    return Found(
        found._replace(glitches=table, clusters=clusters, onsets=onsets), false_alarm_probability
    )


def _report_shared_ids(glitches: Glitches) -> None:
    """Warn of ids that several glitches have, other than known ones."""
    own = ~glitches.is_reference
    names = zip(glitches.ids[own].tolist(), glitches.ifo[own].tolist(), strict=True)
    shared = {name: n for name, n in Counter(names).items() if n > 1}
    if shared:
        (first, _), *_ = shared
        say(
            f"{sum(shared.values())} glitches share {len(shared)} ids, such as {first!r}: tables "
            "tell them apart by the order of rows only."
        )
