"""Sections on how often the net is right."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import log_loss

from ..metrics import (
    ClassificationTable,
    ReliabilityTable,
    TopKTable,
    classification_table,
    expected_calibration_error,
    reliability_table,
    top_k_table,
)
from ._document import Picture, Section, Table, counted, listed
from ._figures import draw
from ._findings import Findings

_N_BINS = 10
# Above so many classes a phone cannot show the matrix at its own width.
_MANY = 8


class Scores:
    """Scores of the glitches of known classes.

    Parameters
    ----------
    of : Findings
        With one such glitch at least.
    """

    def __init__(self, of: Findings) -> None:
        self.of = of
        true, probabilities = of.true, of.probabilities[of.is_known]
        self.guesses = of.guesses[of.is_known]
        self.top_k: TopKTable = top_k_table(true, probabilities, labels=of.classes)
        # Of a class that the data lack, nothing is known: not 0.
        self.per_class: ClassificationTable = classification_table(
            true, self.guesses, labels=of.classes, zero_division=np.nan
        )
        self.is_met = np.isin(of.classes, true) | np.isin(of.classes, self.guesses)
        # As scikit-learn averages: a class that was never guessed has a precision of 0.
        self.means: ClassificationTable = classification_table(
            true, self.guesses, labels=of.classes[self.is_met]
        )
        bins: Any = {"labels": of.classes, "n_bins": _N_BINS}
        self.reliability: ReliabilityTable = reliability_table(true, probabilities, **bins)
        self.calibration_error = expected_calibration_error(true, probabilities, **bins)
        # In float32 they sum to 1 within rounding only, of which scikit-learn warns.
        exact = probabilities.astype(np.float64)
        exact /= exact.sum(axis=1, keepdims=True)
        self.log_loss = float(log_loss(true, exact, labels=of.classes))

    def sections(self) -> list[Section]:
        """All that is told of them."""
        return [self._accuracy(), self._confusion(), self._classes(), self._calibration()]

    def _accuracy(self) -> Section:
        from ..display import TopKDisplay

        table, n_unknown = self.top_k, int((self.of.is_labeled & ~self.of.is_known).sum())
        share = f"{100 * table.accuracy[0]:.1f} %"
        text = [
            f"The first guess is right for {share} of {counted(table.n_samples, 'glitch')}, and "
            "among the first k for the shares below. Look at how wide the intervals are: with few "
            "glitches they say more than the shares.",
        ]
        if n_unknown:
            both = table.n_correct[0] / (table.n_samples + n_unknown)
            text.append(
                f"{counted(n_unknown, 'glitch')} of classes that the net does not know are left "
                f"out here. With these counted as wrong, the first guess is right for "
                f"{100 * both:.1f} %."
            )
        columns = {
            "k": table.k,
            "accuracy": table.accuracy,
            "from": table.low,
            "to": table.high,
            "correct": table.n_correct,
            "glitches": np.full(len(table.k), table.n_samples),
        }
        shown = Table(
            "top_k",
            "Top-k accuracy with 95 % intervals (Wilson), which tell how far chance may have "
            "moved it for this one net.",
            columns,
            percent=("accuracy", "from", "to"),
        )
        picture = Picture(
            "top_k",
            "Line of the accuracy against k with error bars; the table has its numbers.",
            "Accuracy against k, the number of guesses that count.",
            draw((5.2, 3.6), lambda figure: TopKDisplay(table).plot(figure)),
        )
        return Section("top-k", "How often is it right?", text, [shown, picture])

    def _confusion(self) -> Section:
        from ..display import ConfusionDisplay

        labels = self.of.classes[self.is_met]
        # scikit-learn's function warns where there is one class.
        counts = np.zeros((len(labels), len(labels)), dtype=int)
        places = np.searchsorted(labels, self.of.true), np.searchsorted(labels, self.guesses)
        np.add.at(counts, places, 1)
        matrix = {"true class": labels} | {str(n): c for n, c in zip(labels, counts.T, strict=True)}
        wrong = counts - np.diag(np.diag(counts))
        true, guess = np.nonzero(wrong)
        order = np.argsort(-wrong[true, guess], kind="stable")
        true, guess = true[order], guess[order]
        n = wrong[true, guess]
        content: list[Any] = []
        text = [
            "Rows are labels, columns are guesses: what is off the diagonal was taken for another "
            "class. Look for pairs of classes that are taken for each other both ways: these look "
            "alike to the net, or to whoever gave the labels."
        ]
        display = ConfusionDisplay(counts, labels)
        content.append(
            Picture(
                "confusion",
                f"Matrix of {counted(len(labels), 'class')}; {wrong.sum():,} of "
                f"{counts.sum():,} glitches are off its diagonal. The tables have its numbers.",
                "Counts; colors are shares of the true class.",
                draw(display.figsize, lambda figure: display.plot(figure, order="similarity")),
                is_wide=len(labels) > _MANY,
            )
        )
        content.append(Table("confusion", "The matrix as numbers.", matrix, n_shown=0))
        if len(n):
            columns = {
                "label": labels[true],
                "taken for": labels[guess],
                "glitches": n,
                "share": n / counts.sum(axis=1)[true],
            }
            caption = "What is taken for what most often; shares are of the glitches so labeled."
            content.append(Table("confusions", caption, columns, ("share",), n_shown=10))
        else:
            text.append("There are no errors.")
        return Section("confusion", "What is taken for what?", text, content)

    def _classes(self) -> Section:
        from ..display import ClassScoresDisplay

        table, absent = self.per_class, self.of.absent_classes
        text = [
            "Precision is the share of guesses of a class that are right, recall the share of its "
            "glitches that are found, F1 their harmonic mean. Look for classes at the bottom of "
            "the picture, and at how many glitches their scores are of."
        ]
        if absent:
            text.append(
                f"The net knows {counted(len(absent), 'class')} that these data lack, on which "
                f"nothing can be said: {listed(absent)}. Where one was guessed all the same, that "
                "is an error of precision."
            )
        columns = {
            "class": table.labels,
            "precision": table.precision,
            "recall": table.recall,
            "F1": table.f1,
            "glitches": table.support,
        }
        names = ("precision", "recall", "F1")
        macro = ", ".join(
            f"{name} {100 * value:.1f} %"
            for name, value in zip(names, self.means.macro, strict=True)
        )
        shown = Table(
            "classes",
            f"Scores of each class; – is where there is nothing to divide by. Means over the "
            f"{counted(len(self.means.labels), 'class')} that are in the data or were guessed, "
            f"with – as 0: {macro}.",
            columns,
            percent=names,
        )
        content: list[Any] = [shown]
        display = ClassScoresDisplay(self.means)
        size = (5.8, 1.4 + 0.42 * len(self.means.labels))
        content.append(
            Picture(
                "classes",
                "Bars of precision, recall and F1 of each class, the best F1 on top; the table "
                "has the numbers.",
                "Scores by class, the best on top.",
                draw(size, lambda figure: display.plot(figure, sort_by="f1")),
            )
        )
        return Section("classes", "Which classes are the trouble?", text, content)

    def _calibration(self) -> Section:
        from ..display import ReliabilityDisplay

        table, accuracy = self.reliability, self.top_k.accuracy[0]
        sure = float(self.of.confidence[self.of.is_known].mean())
        verdict = "more sure than right" if sure > accuracy else "more right than sure"
        text = [
            "Of glitches that the net gives 90 %, 90 of 100 should be right: points on the dashed "
            "line. Points below it say that the net is too sure. Look at how many glitches each "
            "point is of, in the histogram.",
            f"On average the net gives its first guess {100 * sure:.1f} %, and is right for "
            f"{100 * accuracy:.1f} %: it is {verdict}, by {100 * abs(sure - accuracy):.1f} points. "
            f"The expected calibration error is {100 * self.calibration_error:.1f} % in {_N_BINS} "
            f"bins, which chance alone keeps above 0; the log-loss is {self.log_loss:.3g}.",
        ]
        columns = {
            "from": table.left,
            "to": table.right,
            "mean probability": table.probability,
            "right": table.frequency,
            "right, at least": table.low,
            "right, at most": table.high,
            "glitches": table.n_samples,
        }
        shown = Table(
            "calibration",
            "First guesses by their probability, with 95 % intervals.",
            columns,
            percent=tuple(columns)[:-1],
        )
        display = ReliabilityDisplay(table, error=self.calibration_error)
        picture = Picture(
            "calibration",
            "Share of right guesses against their probability, above a histogram of "
            "probabilities; the table has the numbers.",
            "Above: how often guesses are right. Below: how many there are.",
            draw((5.0, 5.2), lambda figure: display.plot(figure)),
        )
        return Section("calibration", "Are probabilities what they say?", text, [picture, shown])
