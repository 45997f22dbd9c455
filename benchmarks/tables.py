"""Write the tables in the documentation from stored results.

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``. Without ``--write``, tables
that differ from the results are listed.

    python benchmarks/tables.py [--write]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import few_shot
import numpy as np
import table1
from _common import HERE, RESULTS, interval, percent

DOCS = HERE.parent / "docs"
CLASSES = {"real": "real, 5 classes", "simulated": "simulated, 22 classes"}


def results(name: str) -> dict[str, Any]:
    """Return the stored results of a benchmark."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def over_seeds(runs: dict[str, Any], *setting: str) -> list[Any]:
    """Return the results of all seeds of one setting."""
    key = " | ".join(setting) + " | seed "
    return [run for name, run in runs.items() if name.startswith(key)]


def transfer(name: str) -> str:
    """Table 1 on one data set."""
    by_net = table1.by_net(results(f"table1_{name}"))
    tops = ["top-1", "top-3", "top-5"]
    rows = []
    for (net, start), runs in by_net.items():
        row = table1.row_of(net, start, runs)
        rows.append([f"`{net}`", start, row["seeds"], *(row[top] for top in tops)])
    return markdown(["backbone", "ImageNet weights", "seeds", *tops], rows)


def to_real() -> str:
    """Nets with and without transfer, trained on simulated glitches, on real ones."""
    by_net = table1.by_net(results("table1_to_real_220_8_epochs"))
    rows = [table1.row_to_real(net, start, runs) for (net, start), runs in by_net.items()]
    return markdown(list(rows[0]), [list(row.values()) for row in rows])


def initial_weights() -> str:
    """Frozen embeddings from several initial weights against the number of labels per class."""
    metrics = {
        "balanced": "balanced accuracy of logistic regression",
        "AUROC": "novelty: area under the ROC curve",
        "false alarms": "novelty: false alarms at 5 %",
        "ARI": "clusters: adjusted Rand index",
    }
    runs, rows = results("few_shot_weights_o3"), []
    for metric, title in metrics.items():
        for row in few_shot.summary(runs, "o3", metric):
            method, *cells = row.values()
            if not method.endswith("class mean"):
                weights = method.removesuffix(" + LogisticRegression").partition(",")[0]
                rows.append([f"{title} [%]", f'`"{weights}"`', *cells])
    counts = [column for column in row if column != "method"]
    return markdown(["", "weights", *(f"{n} per class" for n in counts)], rows)


def few_labels_o3() -> str:
    """Balanced accuracy against the number of labels per class on three real classes."""
    names = {
        "fine-tuned": "fine-tuned",
        "head only": "head only",
        "default + LogisticRegression": "logistic regression on frozen features",
        "from scratch": "from scratch",
    }
    rows = {
        row["method"]: row for row in few_shot.summary(results("few_shot_o3"), "o3", "balanced")
    }
    counts = ["1", "2", "5", "10", "20", "50"]
    return markdown(
        ["", "1 label per class", *counts[1:]],
        [[title, *(rows[name][n] for n in counts)] for name, title in names.items()],
    )


def frozen_nets() -> str:
    """Logistic regression on frozen features."""
    names = {
        "default": ("`efficientnet_lite0`, default readout", "complete"),
        "default, penultimate": ("the same, penultimate layer, gray", "complete"),
        "default, random weights": ("the same, default readout", "none"),
        "inception_v3 Mixed_7a, partial": (
            "`inception_v3`, `Mixed_7a`",
            "partial",
        ),
        "resnet18 layer3, partial": ("`resnet18`, `layer3`", "partial"),
        "resnet18 layer3, random": ("`resnet18`, `layer3`", "none"),
    }
    columns = [(data, n) for data in ("real", "simulated") for n in (1, 5, 20)]
    runs = {data: results(f"few_shot_{data}") for data in ("real", "simulated")}
    rows = []
    for name, (title, weights) in names.items():
        cells = [
            percent(
                [
                    run["balanced"]
                    for run in over_seeds(
                        runs[data], data, f"{name} + LogisticRegression", f"{n} per class"
                    )
                ]
            )
            for data, n in columns
        ]
        rows.append([title, weights, *cells])
    header = ["backbone and layers", "ImageNet weights", *(f"{d}, {n}" for d, n in columns)]
    return markdown(header, rows)


def discovery(task: str, names: dict[str, str], columns: dict[str, str]) -> str:
    """Means over held-out classes, with intervals for the main measures, real and simulated."""
    sets = []
    for data in CLASSES:
        # Only runs with all labels and the default learning rate.
        runs = [
            run[task]
            for name, run in results("discovery").items()
            if re.fullmatch(rf"{data}(-\d+)? \| \w+", name)
        ]
        sets.append(runs)
    rows = []
    for name, title in names.items():
        cells = [
            _cell(key, [run[name][key] for run in runs if name in run])
            for runs in sets
            for key in columns
        ]
        rows.append([title, *cells])
    header = [f"{data}: {column}" for data in CLASSES for column in columns.values()]
    return markdown(["", *header], rows)


def _cell(key: str, values: Sequence[float]) -> str:
    if not values:
        return ""
    if key in ("detected", "false alarms"):
        return f"{100 * np.mean(values):.0f} %"
    if key in ("AUROC", "ARI"):
        return interval(values, digits=3)
    return f"{np.mean(values):.2f}"


def novelty() -> str:
    """Novelty detection of the held-out class."""
    names = {
        "combined": '`"combined"` (default)',
        "combined, n_together=6": "the same, each with its 5 nearest",
        # Simulated classes only.
        "combined, without None_of_the_Above": "default, without None_of_the_Above",
        "combined, n_together=6, without None_of_the_Above": "the same, each with its 5 nearest",
        "knn, k=5": '`"knn"`, 5 neighbors',
        "knn, k=1": '`"knn"`, 1 neighbor',
        "mahalanobis": '`"mahalanobis"`',
        "energy": '`"energy"`',
    }
    columns = {"AUROC": "AUROC", "detected": "detected", "false alarms": "false alarms"}
    return discovery("novelty", names, columns)


def clusters() -> str:
    """Agreement of clusters with classes, and with the held-out class."""
    names = {
        "all labels": "fine-tuned, with labels",
        # Simulated classes only.
        "labels without None_of_the_Above": "the same, None_of_the_Above unlabeled",
        "supervised": "supervised classifier, for comparison",
        "no labels": "fine-tuned, no labels",
        "no labels, t-SNE": "the same, t-SNE",
        "pretrained, all labels": "pretrained only, with labels",
        "pretrained, no labels": "pretrained only, no labels",
        "KMeans, pixels": "KMeans on pixels",
        "KMeans, PCA of pixels": "KMeans on PCA of pixels",
    }
    columns = {"purity": "purity", "recall": "recall", "ARI": "ARI"}
    return discovery("clusters", names, columns)


def discovery_few() -> str:
    """New classes from few labels per class: means over classes, intervals over draws."""
    runs = results("discovery")
    draws: dict[int, dict[int, list[Any]]] = {}
    for name, run in runs.items():
        if found := re.fullmatch(r"real, (\d+) per class, draw (\d+) \| \w+", name):
            draws.setdefault(int(found[1]), {}).setdefault(int(found[2]), []).append(run)
    columns: dict[str, Callable[[Any], float]] = {
        "purity": lambda run: run["clusters"]["all labels"]["purity"],
        "recall": lambda run: run["clusters"]["all labels"]["recall"],
        "ARI, all classes": lambda run: run["clusters"]["all labels"]["ARI"],
        "new clusters": lambda run: run["experiment"]["new clusters"],
        "known glitches in new clusters (%)": lambda run: (
            100 * run["experiment"]["known in new clusters"]
        ),
    }

    def row(title: str, by_draw: Iterable[list[Any]]) -> list[str]:
        by_draw = list(by_draw)
        cells = [
            [np.mean([read(run) for run in draw]) for draw in by_draw] for read in columns.values()
        ]
        return [title, *(interval(values, digits=2) for values in cells)]

    whole = [run for name, run in runs.items() if re.fullmatch(r"real \| \w+", name)]
    rows = [row(str(each), draws[each].values()) for each in sorted(draws)]
    return markdown(["labels per class", *columns], [*rows, row("all", [whole])])


def discovery_cost() -> str:
    """Time and memory for many embeddings."""
    names = {
        "combined": "`NoveltyDetector()`",
        "knn, k=5": '`NoveltyDetector("knn")`',
        "mahalanobis": '`NoveltyDetector("mahalanobis")`',
        "clusters, no labels": "HDBSCAN on 10 principal components, no labels",
        "clusters, a tenth labeled": "`NewClassFinder`, 10 % labeled",
        "index": '`SimilarityIndex("exact")`',
    }
    runs = results("discovery_cost")
    rows = []
    for name, title in names.items():
        run = runs[f"{name} | 100000"]
        memory = f"{run['peak memory in MB'] / 1024:.1f} GB"
        rows.append([title, f"{run['seconds']:.0f} s", memory])
    return markdown(["estimator", "time of `fit`", "peak memory"], rows)


def label_issues() -> str:
    """Detection of wrong labels."""
    runs, rows = results("label_issues"), []
    settings = [
        ("real", "uniform", 0.05),
        ("real", "uniform", 0.1),
        ("real", "look-alike", 0.05),
        ("real", "look-alike", 0.1),
        ("simulated", "uniform", 0.05),
        ("simulated", "uniform", 0.1),
        ("simulated", "look-alike", 0.05),
    ]
    titles = dict(CLASSES)
    to = {"uniform": "any", "look-alike": "look-alikes"}
    for data, how, rate in settings:
        repeats = over_seeds(runs, data, how, f"{rate:g}")
        flags = [
            f"{100 * np.mean([run[f'confident_joint {what}'] for run in repeats]):.0f}"
            for what in ("precision", "recall")
        ]
        accuracy = ("accuracy given", "accuracy dropped", "accuracy true")
        rows.append(
            [
                titles.pop(data, ""),
                f"{100 * rate:g} % to {to[how]}",
                percent([run["AP both"] for run in repeats]),
                percent([run["AP neighbors"] for run in repeats]),
                ", ".join(flags),
                *(percent([run[name] for run in repeats]) for name in accuracy),
            ]
        )
    header = ["data", "wrong labels", "AP", "AP, neighbors only", "precision, recall of flags"]
    return markdown([*header, "accuracy", "flagged dropped", "true labels"], rows)


def learning_rates() -> str:
    """Accuracy and log loss at each maximum learning rate."""
    runs, rows, titles = results("recipe"), [], dict(CLASSES)
    rates = ("3e-4", "1e-3", "3e-3")
    for data, n in (("real", 2), ("real", 5), ("real", 15), ("simulated", 3), ("simulated", 10)):
        cells = []
        for rate in rates:
            repeats = over_seeds(runs, data, f"learning_rate={rate}", f"{n} per class")
            if not repeats:
                cells.append("")
                continue
            loss = np.mean([run["log_loss"] for run in repeats])
            cells.append(f"{percent([run['accuracy'] for run in repeats])}, {loss:.3f}")
        rows.append([titles.pop(data, ""), n, len(repeats), *cells])
    return markdown(["data", "labels per class", "draws", *rates], rows)


def few_labels() -> str:
    """Accuracy with few labels, with and without the unlabeled samples."""
    runs, rows = results("labeling"), []
    learners = ("logistic regression", "self-training", "label spreading")
    for data, title in CLASSES.items():
        for n in (1, 2, 5, 10):
            repeats = over_seeds(runs, data, "few", f"{n} per class")
            cells = [percent([run[learner] for run in repeats]) for learner in learners]
            rows.append([title if n == 1 else "", str(n), *cells])
    return markdown(["data", "labels per class", *learners], rows)


def requested() -> str:
    """Accuracy against the number of labels requested."""
    runs, rows = results("labeling"), []
    how = ("random", "margin", "entropy", "core_set")
    sizes = {"real": (20, 40, 80), "simulated": (88, 220, 352)}
    for data, title in CLASSES.items():
        for n in sizes[data]:
            cells = [
                percent([run[str(n)] for run in over_seeds(runs, data, "requested", method)])
                for method in how
            ]
            rows.append([title if n == sizes[data][0] else "", str(n), *cells])
    return markdown(["data", "labels", *how], rows)


def pretrained_model() -> str:
    """What the ready-made model was made of."""
    return markdown(["", ""], results("pretrained").get("model", {}).items())


def pretrained_scores() -> str:
    """Scores of the ready-made model on each set."""
    rows = []
    for name, found in results("pretrained").get("scores", {}).items():
        calibrated = found["novel, calibrated"]
        shares = [found["calibration error"], found["novel"]]
        cells = [f"{100 * share:.0f} %" for share in shares]
        cells.append("" if calibrated is None else f"{100 * calibrated:.0f} %")
        tops = found["top-1, top-5"]
        rows.append([name, int(tops[0][-1]), *map(_with_interval, tops), *cells])
    header = ["glitches", "number", "top-1 in %", "top-5 in %", "calibration error"]
    return markdown([*header, "novel at 5 %", "the same, calibrated"], rows)


def pretrained_classes() -> str:
    """Recall of each class by the ready-made model, and what it takes the others for."""
    scores, rows = results("pretrained").get("scores", {}), []
    real = scores.get("all with four views", {"classes": {}, "confused": {}})
    for name, (simulated, _) in scores.get("simulated", {"classes": {}})["classes"].items():
        measured = real["classes"].get(name)
        cells = [int(measured[0][-1]), _with_interval(measured[0])] if measured else [0, ""]
        errors = [
            f"{pair.partition(' as ')[2]} ({n})"
            for pair, n in real["confused"].items()
            if pair.startswith(f"{name} as ")
        ]
        rows.append([name, _with_interval(simulated), *cells, ", ".join(errors)])
    header = ["class", "recall of simulated ones in %", "real ones", "their recall in %"]
    return markdown([*header, "taken for"], rows)


def real_or_simulated() -> str:
    """How well simulated are told from real pictures, before and now, by class."""
    areas: dict[str, dict[str, list[float]]] = {}
    numbers = {}
    for key, found in results("real_or_simulated").items():
        for label, values in found.items():
            numbers[label] = values["real glitches"]
            version = areas.setdefault(label, {}).setdefault(key.partition(" | ")[0], [])
            version.append(values["area under the curve"])
    rows = [
        [label, numbers[label], *(f"{np.mean(of[version]):.2f}" for version in ("before", "now"))]
        for label, of in areas.items()
    ]
    means = [np.mean([np.mean(of[v]) for of in areas.values()]) for v in ("before", "now")]
    rows.append(["mean", "", *(f"{mean:.2f}" for mean in means)])
    return markdown(["class", "real glitches", "before", "now"], rows)


def pretrained_unknown() -> str:
    """How real glitches of classes that a network does not know are detected."""
    rows = []
    for title, found in results("pretrained_unknown").items():
        area, share = found["area under the curve"], found["novel among known"]
        number = found["real glitches of unknown classes"]
        rows.append([title.removeprefix("without "), number, f"{area:.2f}", f"{100 * share:.0f} %"])
    header = ["unknown classes", "their real glitches", "area under the curve"]
    return markdown([*header, "known glitches called novel at 5 %"], rows)


def real_labels() -> str:
    """Ways from simulated to real glitches: means and intervals over seeds."""
    runs = list(results("real_labels").values())
    columns = [(name, top) for name in runs[0]["network"] for top in ("top-1", "top-5")]
    rows = [
        [method, *(percent(run[method][name][top] for run in runs) for name, top in columns)]
        for method in runs[0]
    ]
    return markdown(["method", *(f"{name}, {top}" for name, top in columns)], rows)


def _with_interval(score: Sequence[float]) -> str:
    value, low, high = (100 * number for number in score[:3])
    return f"{value:.0f} ({low:.0f} to {high:.0f})"


TABLES: dict[str, Callable[[], str]] = {
    "table1_real": lambda: transfer("real"),
    "table1_simulated": lambda: transfer("simulated"),
    "to_real": to_real,
    "initial_weights": initial_weights,
    "few_labels_o3": few_labels_o3,
    "frozen_nets": frozen_nets,
    "novelty": novelty,
    "clusters": clusters,
    "discovery_few": discovery_few,
    "discovery_cost": discovery_cost,
    "label_issues": label_issues,
    "learning_rates": learning_rates,
    "few_labels": few_labels,
    "requested": requested,
    "real_or_simulated": real_or_simulated,
    "real_labels": real_labels,
    "pretrained_unknown": pretrained_unknown,
    "pretrained_model": pretrained_model,
    "pretrained_scores": pretrained_scores,
    "pretrained_classes": pretrained_classes,
}
_BLOCK = re.compile(r"(<!-- table (\w+) -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """Return a page with its tables written anew from the results."""
    return _BLOCK.sub(lambda block: block[1] + TABLES[block[2]]() + block[3], text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="update the pages")
    options = parser.parse_args()
    stale = []
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (now := filled(text)) != text:
            stale.append(page.name)
            if options.write:
                page.write_text(now, encoding="utf-8")
    print("updated:" if options.write else "outdated:", *(stale or ["none"]))
    sys.exit(bool(stale) and not options.write)


if __name__ == "__main__":
    main()
