"""
Tune a network with Optuna
==========================

`Optuna <https://optuna.org>`_ proposes settings and prunes trials that lag behind. It keeps them
in a file, so that a search that was stopped goes on when the script is run again, and several
machines can share one search (``pip install optuna optuna-integration``).
"""

# %%
# Glitches
# --------
# Three classes of simulated glitches, with a view of 1 s.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import optuna
from optuna.storages import JournalStorage, journal
from optuna_integration import SkorchPruningCallback

from skglitch import CNNClassifier
from skglitch.datasets import make_glitches

options = {"durations": (1.0,), "size": (50, 60), "random_state": 0, "return_X_y": True}
X, y = make_glitches(60, classes=["Blip", "Koi_Fish", "Tomte"], weights="balanced", **options)


# %%
# One trial
# ---------
# ``early_stopping`` holds out a part of the glitches, so that each epoch has a validation loss.
# With ``random_state``, it is the same part in all trials. The callback ends a trial whose loss is
# above the median of the others after the same epoch.


def objective(trial):
    classifier = CNNClassifier(
        learning_rate=trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True),
        fine_tune=trial.suggest_categorical("fine_tune", ["all", "head"]),
        max_epochs=4,
        early_stopping=True,
        validation_fraction=0.3,
        callbacks=[SkorchPruningCallback(trial, "valid_loss")],
        random_state=0,
    )
    return min(classifier.fit(X, y).history_[:, "valid_loss"])


# %%
# A search that can be stopped
# ----------------------------
# The search stops after three trials. The second call goes on, as a new run of the script would.

path = Path(tempfile.mkdtemp(), "tune.log")  # for your own search, a file that stays


def search(n_trials):
    storage = JournalStorage(journal.JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name="glitches", load_if_exists=True)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=2)
    study.optimize(objective, n_trials - sum(trial.state.is_finished() for trial in study.trials))
    return study


search(3)
study = search(8)
print(f"best: {study.best_params}, validation loss {study.best_value:.3f}")

# %%
# Trials
# ------
# A cross is the last epoch of a pruned trial.

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for trial in study.trials:
    losses = list(trial.intermediate_values.values())
    marker = "x" if trial.state == optuna.trial.TrialState.PRUNED else "o"
    ax.plot(range(1, len(losses) + 1), losses, marker=marker, markevery=[-1], label=trial.number)
ax.set(xlabel="epoch", ylabel="validation loss", xticks=range(1, 5), yscale="log")
figure.legend(title="trial", loc="outside right upper")
plt.show()
