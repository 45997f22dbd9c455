"""How accurate is a classifier with few labels, and which glitches should be labeled next?

First, with a few labels per class: logistic regression on these alone, against self-training and
label spreading, which also use unlabeled glitches. Then labels requested in rounds: by
rank_for_labeling and at random. The embeddings are pretrained features. A third of the glitches is
held out for the test.

    python benchmarks/labeling.py [--sets real simulated] [--seeds 5] [--cache FOLDER]

The curves of all stored runs are drawn into benchmarks/results/labeling.png. `--sets` without a
name only draws them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from _common import RESULTS, Store, mean_interval, table
from label_issues import CACHE, embeddings
from recipe import few_labels
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import normalize
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from skglitch.discovery import rank_for_labeling

LABELS = (1, 2, 5, 10)
# On embeddings of length 1; few labels want little regularisation.
CLASSIFIER = LogisticRegression(C=10, max_iter=1000)
LEARNERS = {
    "logistic regression": CLASSIFIER,
    "self-training": SelfTrainingClassifier(CLASSIFIER, threshold=0.75),
    "label spreading": LabelSpreading(kernel="knn", n_neighbors=10, alpha=0.2),
}
ASKED = ("random", "margin", "entropy", "core_set")
ROUNDS = 8
SETS = {"real": "real, 5 classes", "simulated": "simulated, 22 classes"}
COLORS = ("#999999", "#0072B2", "#E69F00", "#D55E00")


def few(X: np.ndarray, y: np.ndarray, n_each: int, seed: int) -> dict[str, float]:
    """Accuracy with so many labels a class."""
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


def curve(X: np.ndarray, y: np.ndarray, how: str, seed: int) -> dict[int, float]:
    """Accuracy after each round of two labels a class."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.33, stratify=y, random_state=seed)
    rng = np.random.default_rng(seed)
    step = 2 * len(np.unique(y))
    result = {}
    labeled, model = np.array([], dtype=int), clone(CLASSIFIER)
    for round_ in range(ROUNDS):
        rest = np.setdiff1d(np.arange(len(y)), labeled)
        if how == "random" or (round_ == 0 and how != "core_set"):
            asked = rng.permutation(len(rest))[:step]
        elif how == "core_set":
            before = X[labeled] if len(labeled) else None
            asked = rank_for_labeling(X[rest], method=how, labeled=before, n_samples=step)
        else:
            doubt = model.predict_proba(X[rest])
            asked = rank_for_labeling(y_prob=doubt, method=how, n_samples=step)
        labeled = np.concatenate([labeled, rest[asked]])
        model.fit(X[labeled], y[labeled])
        result[len(labeled)] = model.score(X_test, y_test)
    return result


def plot(runs: dict[str, dict[str, float]]) -> None:
    """Draw accuracy against labels asked for, with intervals over seeds, a panel a set."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    for ax, (name, title) in zip(figure.subplots(1, 2), SETS.items(), strict=True):
        x: list[int] = []
        for how, color, marker in zip(ASKED, COLORS, "os^D", strict=True):
            of_seeds = [
                run for key, run in runs.items() if key.startswith(f"{name} | asked | {how} | ")
            ]
            if not of_seeds:
                continue
            labels = sorted(of_seeds[0], key=int)
            points = [mean_interval([100 * run[n] for run in of_seeds]) for n in labels]
            x, (means, halves) = [int(n) for n in labels], np.array(points).T
            ax.plot(x, means, color=color, marker=marker, label=how)
            ax.fill_between(x, means - halves, means + halves, color=color, alpha=0.12, lw=0)
        ax.set(title=title, xlabel="labels asked for", ylabel="accuracy in %")
        ax.set_xticks(x)
        # Intervals of a mean near 100 would reach beyond what there is.
        ax.set_ylim(top=min(101, ax.get_ylim()[1]))
        ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    figure.savefig(RESULTS / "labeling.png", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where embeddings are kept")
    options = parser.parse_args()
    store = Store("labeling")

    def repeated(key: str, function, *arguments) -> list[dict]:
        keys = [f"{key} | seed {seed}" for seed in range(options.seeds)]
        for seed, name in enumerate(keys):
            if name not in store:
                store.add(name, {str(k): v for k, v in function(*arguments, seed).items()})
        return [store.runs[name] for name in keys]

    def cells(runs: list[dict]) -> dict[str, str]:
        intervals = {k: mean_interval([100 * run[k] for run in runs]) for k in runs[0]}
        return {k: f"{mean:.1f} ± {half:.1f}" for k, (mean, half) in intervals.items()}

    for name in options.sets:
        X, y = embeddings(name, options.cache)
        X = normalize(X - X.mean(axis=0))
        rows = [
            {"set": name, "labels a class": n}
            | cells(repeated(f"{name} | few | {n} a class", few, X, y, n))
            for n in LABELS
        ]
        print(table(rows) + "\n", flush=True)
        rows = [
            {"set": name, "asked for": how}
            | cells(repeated(f"{name} | asked | {how}", curve, X, y, how))
            for how in ASKED
        ]
        print(table(rows) + "\n", flush=True)
    plot(store.runs)


if __name__ == "__main__":
    main()
