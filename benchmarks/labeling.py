"""How accurate is a classifier with few labels, and which glitches should be labeled next?

First, with a few labels per class: logistic regression on these alone, against self-training and
label spreading, which also use unlabeled glitches. Then labels requested in rounds: by
rank_for_labeling and at random. The embeddings are pretrained features. A third of the glitches is
held out for the test.

    python benchmarks/labeling.py [--sets real simulated] [--seeds 5]

The curves of all stored runs are plotted in benchmarks/results/labeling.png. ``--sets`` without a
name only plots them.
"""

from __future__ import annotations

import argparse

import numpy as np
from _common import RESULTS, Store, mean_interval, percent, table
from label_issues import embeddings
from recipe import few_labels
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import normalize
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from skglitch.discovery import rank_for_labeling

LABELS = (1, 2, 5, 10)
# For normalized embeddings. Weak regularization is best with few labels.
CLASSIFIER = LogisticRegression(C=10, max_iter=1000)
LEARNERS = {
    "logistic regression": CLASSIFIER,
    "self-training": SelfTrainingClassifier(CLASSIFIER, threshold=0.75),
    "label spreading": LabelSpreading(kernel="knn", n_neighbors=10, alpha=0.2),
}
METHODS = ("random", "margin", "entropy", "core_set")
ROUNDS = 8
SETS = {"real": "real, 5 classes", "simulated": "simulated, 22 classes"}
COLORS = ("#999999", "#0072B2", "#E69F00", "#D55E00")


def few(X: np.ndarray, y: np.ndarray, n_each: int, seed: int) -> dict[str, float]:
    """Accuracy of each learner with ``n_each`` labels per class."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.33, stratify=y, random_state=seed)
    labeled, _ = few_labels(y, n_each, seed)
    classes, codes = np.unique(y, return_inverse=True)
    known = np.full(len(y), -1)
    known[labeled] = codes[labeled]
    result = {}
    for name, learner in LEARNERS.items():
        rows = labeled if name == "logistic regression" else slice(None)
        model = clone(learner).fit(X[rows], known[rows])
        result[name] = float(np.mean(classes[model.predict(X_test)] == y_test))
    return result


def curve(X: np.ndarray, y: np.ndarray, how: str, seed: int) -> dict[str, float]:
    """Accuracy after each round of labeling, with two labels per class and round."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.33, stratify=y, random_state=seed)
    rng = np.random.default_rng(seed)
    step = 2 * len(np.unique(y))
    result = {}
    labeled, model = np.array([], dtype=int), clone(CLASSIFIER)
    for round_ in range(ROUNDS):
        rest = np.setdiff1d(np.arange(len(y)), labeled)
        if how == "random" or (round_ == 0 and how != "core_set"):
            chosen = rng.permutation(len(rest))[:step]
        elif how == "core_set":
            before = X[labeled] if len(labeled) else None
            chosen = rank_for_labeling(X[rest], method=how, labeled=before, n_samples=step)
        else:
            y_prob = model.predict_proba(X[rest])
            chosen = rank_for_labeling(y_prob=y_prob, method=how, n_samples=step)
        labeled = np.concatenate([labeled, rest[chosen]])
        model.fit(X[labeled], y[labeled])
        result[str(len(labeled))] = model.score(X_test, y_test)
    return result


def plot(runs: dict[str, dict[str, float]]) -> None:
    """Plot accuracy against the number of labels, one panel per data set."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    for ax, (name, title) in zip(figure.subplots(1, 2), SETS.items(), strict=True):
        x: list[int] = []
        for how, color, marker in zip(METHODS, COLORS, "os^D", strict=True):
            repeats = [
                run for key, run in runs.items() if key.startswith(f"{name} | requested | {how} | ")
            ]
            if not repeats:
                continue
            labels = sorted(repeats[0], key=int)
            points = [mean_interval([100 * run[n] for run in repeats]) for n in labels]
            x, (means, halves) = [int(n) for n in labels], np.array(points).T
            ax.plot(x, means, color=color, marker=marker, label=how)
            ax.fill_between(x, means - halves, means + halves, color=color, alpha=0.12, lw=0)
        ax.set(title=title, xlabel="labels", ylabel="accuracy [%]")
        ax.set_xticks(x)
        # Intervals of a mean near 100 % would extend beyond it.
        ax.set_ylim(top=min(101, ax.get_ylim()[1]))
        ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    figure.savefig(RESULTS / "labeling.png", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    store = Store("labeling")

    def repeated(key: str, function, *arguments) -> list[dict]:
        return [
            store.get(f"{key} | seed {seed}", function, *arguments, seed)
            for seed in range(options.seeds)
        ]

    def cells(runs: list[dict]) -> dict[str, str]:
        return {key: percent(run[key] for run in runs) for key in runs[0]}

    for name in options.sets:
        X, y = embeddings(name)
        X = normalize(X - X.mean(axis=0))
        rows = [
            {"data": name, "labels per class": n}
            | cells(repeated(f"{name} | few | {n} per class", few, X, y, n))
            for n in LABELS
        ]
        print(table(rows) + "\n", flush=True)
        rows = [
            {"data": name, "method": how}
            | cells(repeated(f"{name} | requested | {how}", curve, X, y, how))
            for how in METHODS
        ]
        print(table(rows) + "\n", flush=True)
    plot(store.runs)


if __name__ == "__main__":
    main()
