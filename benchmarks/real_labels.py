"""From simulated to real: what one or two real labels per class are worth, and how to use them.

Starts from the ready-made model. The real labels are those of 39 glitches of 22 classes with four
views. Each of these is classified by a model that was made without it. The glitches of O1 and the
strain of O3 are classified by a model that was made with all of them. Self-training uses the sets
that are not scored as unlabeled glitches, and batch norms are adapted to all sets, without labels.

    python benchmarks/real_labels.py [--seeds 5] [--per-class 40]
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator

import numpy as np
import torch
from _common import Store, four_view_sets, percent, table
from pretrained import simulate
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.metrics import top_k_accuracy

LABELED, TESTS = "22 classes", ("O1 pictures", "O3 strain")
# How often a real glitch counts among simulated ones.
WEIGHTS = (1, 10, 100)
# Principal axes of the features.
N_AXES = 100
# Probability from which self-training believes a prediction.
SURE = 0.9


def adapt_batch_norm(classifier: CNNClassifier, X: np.ndarray) -> CNNClassifier:
    """Replace the statistics of batch norms by those of X, which needs no labels."""
    classifier = copy.deepcopy(classifier)
    encoder = classifier.net_.module_.encoder
    norms = [m for m in encoder.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean
        norm.training = True
    with torch.inference_mode():
        for rows in np.array_split(np.arange(len(X)), max(1, len(X) // 32)):
            encoder.features(torch.from_numpy(X[rows]).to(encoder.device))
    for norm in norms:
        norm.training = False
    return classifier


def scores(y: np.ndarray, y_prob: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    known = np.isin(y, labels)
    return {
        "top-1": float(top_k_accuracy(y, y_prob, k=1, labels=labels)),
        "top-5": float(top_k_accuracy(y, y_prob, k=5, labels=labels)),
        "balanced": float(balanced_accuracy_score(y[known], labels[y_prob[known].argmax(1)])),
    }


def fit_head(X: np.ndarray, y: np.ndarray, weight: np.ndarray) -> LogisticRegression:
    return LogisticRegression(max_iter=300).fit(X, y, sample_weight=weight)


def spread_probabilities(
    head: LogisticRegression, X: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Probabilities of all classes, of which the head may lack some."""
    y_prob = np.zeros((len(X), len(classes)))
    y_prob[:, np.searchsorted(classes, head.classes_)] = head.predict_proba(X)
    return y_prob


class Heads:
    """Logistic regressions on the features of simulated and real glitches."""

    def __init__(self, simulated: tuple[np.ndarray, np.ndarray], classes: np.ndarray) -> None:
        self.simulated = simulated
        self.classes = classes

    def __call__(
        self, name: str, X: np.ndarray, y: np.ndarray, unlabeled: np.ndarray, test: np.ndarray
    ) -> np.ndarray:
        """Return the probabilities of ``test`` by the method of this name."""
        if name == "real only":
            head = fit_head(X, y, np.ones(len(y)))
            return spread_probabilities(head, test, self.classes)
        weight = 10 if name == "self-training" else int(name.rpartition(" ")[2])
        parts = [
            (*self.simulated, np.ones(len(self.simulated[1]))),
            (X, y, np.full(len(y), weight)),
        ]
        head = fit_head(*map(np.concatenate, zip(*parts, strict=True)))
        if name == "self-training":
            y_prob = head.predict_proba(unlabeled)
            sure = y_prob.max(axis=1) >= SURE
            guess = head.classes_[y_prob.argmax(axis=1)][sure]
            parts.append((unlabeled[sure], guess, np.full(sure.sum(), weight / 10)))
            head = fit_head(*map(np.concatenate, zip(*parts, strict=True)))
        return spread_probabilities(head, test, self.classes)


def methods() -> Iterator[str]:
    yield "real only"
    yield from (f"simulated and real, weight {weight}" for weight in WEIGHTS)
    yield "self-training"


def run(n_per_class: int, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return the scores of each method on each set."""
    classifier = skglitch.load_pretrained()
    classes = classifier.classes_
    sets = four_view_sets()
    unlabeled = np.concatenate([X for X, _ in sets.values()])
    simulated_X, simulated_y = simulate(n_per_class, 100 + seed)
    result: dict[str, dict[str, dict[str, float]]] = {}
    for title, model in (
        ("", classifier),
        (", batch norms of real glitches", adapt_batch_norm(classifier, unlabeled)),
    ):
        result["network" + title] = {
            name: scores(y, model.predict_proba(X), classes) for name, (X, y) in sets.items()
        }
        transformer = TruncatedCNNTransformer(model)
        features = {name: transformer.fit_transform(X) for name, (X, _) in sets.items()}
        simulated = transformer.transform(simulated_X)
        # Leaving out one glitch at a time would take hours with all features.
        axes = PCA(N_AXES, random_state=0).fit(simulated)
        features = {name: axes.transform(values) for name, values in features.items()}
        heads = Heads((axes.transform(simulated), simulated_y), classes)
        X, y = features[LABELED], sets[LABELED][1]
        for method in methods():
            found = result[method + title] = {}
            for name in TESTS:
                others = np.concatenate([f for other, f in features.items() if other != name])
                y_prob = heads(method, X, y, others, features[name])
                found[name] = scores(sets[name][1], y_prob, classes)
            others = np.concatenate([features[name] for name in TESTS])
            y_prob = np.concatenate(
                [
                    heads(method, np.delete(X, row, 0), np.delete(y, row), others, X[row : row + 1])
                    for row in range(len(X))
                ]
            )
            found[LABELED] = scores(y, y_prob, classes)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="draws of simulated glitches")
    parser.add_argument("--per-class", type=int, default=40, help="simulated glitches per class")
    options = parser.parse_args()
    store = Store("real_labels")
    runs = [
        store.get(f"{options.per_class} per class | seed {seed}", run, options.per_class, seed)
        for seed in range(options.seeds)
    ]
    rows = []
    for method in runs[0]:
        row = {"method": method}
        for name in (LABELED, *TESTS):
            for score in ("top-1", "top-5"):
                row[f"{name}, {score}"] = percent(r[method][name][score] for r in runs)
        rows.append(row)
    print(table(rows))


if __name__ == "__main__":
    main()
