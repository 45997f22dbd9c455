"""How many wrong labels are found, and how much does repairing them help?

A fraction of the labels is changed, either to any other class or to the most similar class (nearest
mean embedding). find_label_issues ranks them. Then logistic regression is trained on the labels as
given, without the flagged ones, with the suggested labels, and on the true labels, and tested on
held-out glitches with true labels. The embeddings are pretrained features.

    python benchmarks/label_issues.py [--sets real simulated] [--seeds 5]
"""

from __future__ import annotations

import argparse

import numpy as np
from _common import Store, cached, percent, real_glitches, table
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler, normalize

from skglitch import TruncatedCNNTransformer
from skglitch.datasets import make_glitches
from skglitch.discovery import find_label_issues

RATES = (0.02, 0.05, 0.1)
# The default of find_label_issues, so that one cross-validation serves several of its results.
CLASSIFIER = make_pipeline(
    StandardScaler(with_std=False), Normalizer(), LogisticRegression(C=10, max_iter=1000)
)


def embeddings(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings and true labels of real glitches, or of 150 simulated ones per class."""
    arrays = cached(f"embeddings-{name}", embed, name)
    return arrays["X"], arrays["y"]


def embed(name: str) -> dict[str, np.ndarray]:
    if name == "real":
        X, y = real_glitches()
    else:
        X, y = make_glitches(3300, weights="balanced", random_state=0, n_jobs=-1, return_X_y=True)
    net = TruncatedCNNTransformer(views="mosaic" if name == "real" else "channels")
    return {"X": net.fit_transform(X), "y": y}


def change_labels(
    X: np.ndarray, y: np.ndarray, rate: float, how: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels with some of them changed, and a mask of the changed ones."""
    rng = np.random.default_rng(seed)
    classes, codes = np.unique(y, return_inverse=True)
    rows = rng.choice(len(y), round(rate * len(y)), replace=False)
    if how == "uniform":
        steps = rng.integers(1, len(classes), len(rows))
        codes[rows] = (codes[rows] + steps) % len(classes)
    else:
        units = normalize(X - X.mean(axis=0))
        means = normalize([units[codes == c].mean(axis=0) for c in range(len(classes))])
        alike = means @ means.T
        np.fill_diagonal(alike, -1)
        codes[rows] = alike.argmax(axis=1)[codes[rows]]
    changed = np.zeros(len(y), dtype=bool)
    changed[rows] = True
    return classes[codes], changed


def run(X: np.ndarray, y: np.ndarray, rate: float, how: str, seed: int) -> dict:
    """Quality of the ranking and of the flags, and accuracy after repair, for one draw."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
    given, changed = change_labels(X, y, rate, how, seed)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    y_prob = cross_val_predict(CLASSIFIER, X, given, cv=folds, method="predict_proba")
    issues = find_label_issues(X, given, y_prob=y_prob)
    truth = changed[issues.index]
    scores = {"both": "score", "classifier": "classifier", "neighbors": "neighbors"}
    result = {
        f"AP {name}": average_precision_score(truth, -issues[column])
        for name, column in scores.items()
    }
    result["R-precision"] = truth[: changed.sum()].mean()
    for flag_by in ("confident_joint", "noise_rate"):
        found = find_label_issues(X, given, y_prob=y_prob, flag_by=flag_by)
        hits = changed[found.index[found.flagged]]
        result[f"{flag_by} precision"] = hits.sum() / max(1, len(hits))
        result[f"{flag_by} recall"] = hits.sum() / changed.sum()
    flagged = issues.index[issues.flagged]
    relabeled = given.copy()
    relabeled[flagged] = issues.suggested[issues.flagged]
    kept = np.setdiff1d(np.arange(len(y)), flagged)
    for name, rows, labels in (
        ("given", slice(None), given),
        ("dropped", kept, given[kept]),
        ("relabeled", slice(None), relabeled),
        ("true", slice(None), y),
    ):
        model = clone(CLASSIFIER).fit(X[rows], labels)
        result[f"accuracy {name}"] = model.score(X_test, y_test)
    return {name: float(value) for name, value in result.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sets = ("real", "simulated")
    parser.add_argument("--sets", nargs="+", choices=sets, default=sets)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    store = Store("label_issues")
    rows = []
    for name in options.sets:
        X, y = embeddings(name)
        for how in ("uniform", "look-alike"):
            for rate in RATES:
                runs = [
                    store.get(f"{name} | {how} | {rate} | seed {seed}", run, X, y, rate, how, seed)
                    for seed in range(options.seeds)
                ]
                row = {"data": name, "changed": f"{100 * rate:g} % {how}"}
                rows.append(row | {key: percent(r[key] for r in runs) for key in runs[0]})
                print(rows[-1], flush=True)
    columns = list(rows[0])
    print("\n" + table({c: row[c] for c in columns[:6]} for row in rows))
    print("\n" + table({c: row[c] for c in columns[:2] + columns[6:10]} for row in rows))
    print("\n" + table({c: row[c] for c in columns[:2] + columns[10:]} for row in rows))


if __name__ == "__main__":
    main()
