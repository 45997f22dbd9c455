"""Steps of scikit-learn, alone and around nets: the same predictions, and no pickle."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor, NearestNeighbors
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    LabelEncoder,
    OneHotEncoder,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.estimators import Encoder
from skglitch.spectrograms import QTransformer

from .test_save_load import edited, round_trip

METHODS = (
    *("predict", "predict_proba", "decision_function", "transform", "score_samples"),
    *("kneighbors", "apply", "predict_log_proba"),
)


@pytest.fixture
def no_pickle(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a pickle was read")

    for name in ("load", "loads", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)


def assert_same(loaded, fitted, X):
    assert type(loaded) is type(fitted)
    assert repr(loaded) == repr(fitted)
    methods = [name for name in METHODS if hasattr(fitted, name)]
    assert methods == [name for name in METHODS if hasattr(loaded, name)]
    for name in methods:
        found, expected = getattr(loaded, name)(X), getattr(fitted, name)(X)
        np.testing.assert_array_equal(found, expected, strict=True)


def make_table(n_samples=60, n_features=6):
    rng = np.random.default_rng(0)
    X = rng.gamma(2, size=(n_samples, n_features))
    y = np.array(["Blip", "Koi_Fish", "Tomte"])[rng.integers(0, 3, n_samples)]
    X[y == "Blip", 0] += 3
    return X, y


STEPS = [
    AdaBoostClassifier(n_estimators=3, random_state=0),
    BaggingClassifier(SVC(), n_estimators=3, random_state=0),
    CalibratedClassifierCV(LinearSVC(), cv=2),
    CalibratedClassifierCV(RidgeClassifier(), method="isotonic", cv=2),
    ColumnTransformer([("first", StandardScaler(), [0, 1]), ("rest", PCA(2), slice(2, 6))]),
    ExtraTreesClassifier(4, random_state=1),
    FeatureUnion([("pca", PCA(2)), ("best", SelectKBest(k=2))]),
    FunctionTransformer(np.log1p),
    GaussianMixture(2, random_state=0),
    HDBSCAN(),
    IsolationForest(n_estimators=4, random_state=0),
    KMeans(3, random_state=0),
    KNeighborsClassifier(),
    KNeighborsClassifier(metric="manhattan", algorithm="ball_tree", weights="distance"),
    LocalOutlierFactor(novelty=True),
    LogisticRegression(),
    MLPClassifier(4, max_iter=3),
    NearestNeighbors(metric="minkowski", p=3),
    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    OneVsRestClassifier(LogisticRegression()),
    QuantileTransformer(n_quantiles=9),
    RandomForestClassifier(4, random_state=0),
    SGDClassifier(random_state=0),
    SVC(probability=False, kernel="poly"),
    StackingClassifier([("forest", RandomForestClassifier(2)), ("svm", SVC())], cv=2),
    TSNE(perplexity=5, max_iter=250, random_state=0),
    VotingClassifier([("forest", RandomForestClassifier(2)), ("knn", KNeighborsClassifier())]),
    make_pipeline(StandardScaler(), PCA(3), KNeighborsClassifier(), memory=None),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_steps_are_the_same_after_a_round_trip(step, tmp_path, no_pickle):
    X, y = make_table()
    if isinstance(step, OneHotEncoder):
        X = X.round()
    step = copy.deepcopy(step).fit(X, y)
    loaded = round_trip(step, tmp_path)
    assert_same(loaded, step, X.copy())
    skglitch.save(loaded, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model.skglitch").read_bytes()


def test_label_encoder(tmp_path, no_pickle):
    encoder = LabelEncoder().fit(["Tomte", "Blip"])
    np.testing.assert_array_equal(round_trip(encoder, tmp_path).transform(["Tomte"]), [1])


def test_strain_transformer_in_a_pipeline(tmp_path, no_pickle):
    strain = np.random.default_rng(0).normal(size=(1, 16 * 1024))
    transformer = QTransformer(sample_rate=1024, durations=(1.0,), frange=(20, 400), device="cpu")
    pipeline = make_pipeline(transformer).fit(strain)
    assert_same(round_trip(pipeline, tmp_path), pipeline, strain)


def test_cache_of_a_pipeline_is_left_out(tmp_path):
    """The next fit would run the pickles in it."""
    X, y = make_table()
    pipeline = Pipeline([("scale", StandardScaler()), ("svm", SVC())], memory=str(tmp_path))
    assert round_trip(pipeline.fit(X, y), tmp_path).memory is None

    def add(schema):
        schema["estimator"]["$object"][2]["memory"] = str(tmp_path)

    path = edited(tmp_path / "model.skglitch", tmp_path / "edited", add)
    assert skglitch.load(path).memory is None


def test_training_goes_on(tmp_path):
    X, y = make_table()
    for estimator in (SGDClassifier(random_state=0), MLPClassifier(4, random_state=0)):
        loaded = round_trip(estimator.partial_fit(X, y, classes=np.unique(y)), tmp_path)
        assert loaded.partial_fit(X, y).predict(X).shape == y.shape
    sgd = SGDClassifier(random_state=0).fit(X, y)
    loaded = round_trip(sgd, tmp_path).partial_fit(X, y)
    np.testing.assert_array_equal(loaded.coef_, sgd.partial_fit(X, y).coef_)


estimators = st.one_of(
    st.builds(
        RandomForestClassifier,
        n_estimators=st.integers(1, 3),
        max_depth=st.none() | st.integers(1, 4),
        class_weight=st.sampled_from([None, "balanced", {0: 1.0, 3: 2, 7: 0.5}]),
        random_state=st.integers(0, 9),
    ),
    st.builds(
        KNeighborsClassifier,
        n_neighbors=st.integers(1, 5),
        algorithm=st.sampled_from(["auto", "ball_tree", "kd_tree", "brute"]),
        metric=st.sampled_from(["euclidean", "manhattan", "chebyshev", "minkowski"]),
        leaf_size=st.integers(1, 30),
        p=st.floats(1, 4),
    ),
    st.builds(SVC, kernel=st.sampled_from(["linear", "rbf", "sigmoid"]), C=st.floats(0.1, 10)),
    st.builds(
        lambda k, whiten: make_pipeline(StandardScaler(), PCA(k, whiten=whiten), SVC()),
        st.integers(1, 2),
        st.booleans(),
    ),
)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    estimator=estimators,
    n_features=st.integers(2, 20),
    dtype=st.sampled_from([np.float32, np.float64, np.uint8]),
    order=st.sampled_from("CF"),
)
def test_any_step_is_the_same_after_a_round_trip(tmp_path, estimator, n_features, dtype, order):
    X = np.asarray(10 * make_table(20, n_features)[0], dtype=dtype, order=order)
    y = np.array([0, 3, 7, 3] * 5)
    fitted = estimator.fit(X, y)
    assert_same(round_trip(fitted, tmp_path), fitted, X.copy())


@pytest.fixture(scope="module")
def net(images):
    """A small classifier that is trained once."""
    params = {"weights": None, "max_epochs": 1, "encoder": Encoder(durations=(1.0, 4.0))}
    return CNNClassifier("test_efficientnet", random_state=0, **params).fit(*images)


def around(net, images):
    """Estimators of scikit-learn around nets, all fitted."""
    X, y = images
    pipeline = make_pipeline(
        TruncatedCNNTransformer("test_efficientnet", weights=None, random_state=0),
        StandardScaler(),
        LogisticRegression(),
    )
    frozen = FrozenEstimator(net)
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=2).fit(X, y)
    small = {"weights": None, "max_epochs": 1}
    nets = [(str(n), CNNClassifier("test_efficientnet", random_state=n, **small)) for n in (1, 2)]
    return {
        "pipeline": search.best_estimator_,
        "embedding": make_pipeline(TruncatedCNNTransformer(net), LogisticRegression()).fit(X, y),
        "calibrated": CalibratedClassifierCV(frozen, cv=2).fit(X, y),
        "voting": VotingClassifier(nets, voting="soft").fit(X, y),
        "stacking": StackingClassifier([("net", frozen)], cv=2).fit(X, y),
    }


def test_nets_inside_come_back(net, images, tmp_path, no_pickle):
    for name, fitted in around(net, images).items():
        loaded = round_trip(fitted, tmp_path, device="cpu" if name == "voting" else None)
        found, expected = loaded.predict_proba(images[0]), fitted.predict_proba(images[0])
        np.testing.assert_array_equal(found, expected, err_msg=name)
        np.testing.assert_array_equal(loaded.classes_, fitted.classes_)
    # The template and what was fitted of it.
    assert not hasattr(loaded.final_estimator, "coef_")


def test_unfitted_templates_stay_unfitted(net, images, tmp_path):
    templates = [("net", CNNClassifier("test_resnet")), ("cut", TruncatedCNNTransformer(net))]
    voting = VotingClassifier(templates)
    voting.estimators_, voting.classes_ = [net], net.classes_
    loaded = round_trip(voting, tmp_path)
    assert repr(loaded) == repr(voting)
    assert not hasattr(loaded.estimators[0][1], "net_")
    assert not hasattr(loaded.estimators[1][1], "encoder_")


def test_models_load_in_a_process_without_pickle(net, images, tmp_path):
    pipeline = make_pipeline(TruncatedCNNTransformer(net), RandomForestClassifier(3))
    pipeline.fit(*images)
    skglitch.save(pipeline, tmp_path / "model")
    np.save(tmp_path / "X.npy", images[0])
    np.save(tmp_path / "y_prob.npy", pipeline.predict_proba(images[0]))
    code = """
import pickle
import numpy as np
import skglitch
class Refusing(pickle._Unpickler):
    def load(self):
        raise AssertionError("a pickle was read")
pickle.load = pickle.loads = Refusing.load
pickle.Unpickler = pickle._Unpickler = Refusing
model = skglitch.load("model")
assert np.array_equal(model.predict_proba(np.load("X.npy")), np.load("y_prob.npy"))
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=120)


@pytest.fixture(scope="module")
def forest_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("forest") / "forest.skglitch"
    X, y = make_table()
    skglitch.save(make_pipeline(StandardScaler(), RandomForestClassifier(2)).fit(X, y), path)
    return path


@pytest.mark.parametrize("member", ["schema.json", "weights.safetensors"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_flipped_byte_in_each_part_is_seen(forest_file, tmp_path, member, share):
    with zipfile.ZipFile(forest_file) as archive:
        info = archive.getinfo(member)
    data = bytearray(forest_file.read_bytes())
    data[info.header_offset + 30 + len(member) + int(share * info.compress_size)] ^= 1
    path = tmp_path / "model"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged"):
        skglitch.load(path)


def steps_of(schema):
    """States of the scaler and of the forest."""
    return [step["$tuple"][1]["$object"] for step in schema["estimator"]["$object"][2]["steps"]]


def names_another_class(schema):
    steps_of(schema)[0][0] = "subprocess.Popen"


def shadows_a_method(schema):
    steps_of(schema)[0][2]["transform"] = {"$ufunc": "exp"}


def has_a_function(schema):
    steps_of(schema)[0][2]["with_mean"] = {"$ufunc": "os.system"}


def is_no_estimator(schema):
    schema["estimator"] = steps_of(schema)[0][2]["mean_"]


def shares_what_is_not_there(schema):
    steps_of(schema)[0][2]["mean_"] = {"$same": "Pipeline"}


def reads_another_file(schema):
    steps_of(schema)[0][2]["mean_"] = {"$array": "../../etc/passwd"}


def branches_back(schema):
    nodes = steps_of(schema)[1][2]["estimators_"][0]["$object"][2]["tree_"]["$tree"][3]["nodes"]
    nodes["$records"]["left_child"], nodes["$records"]["feature"] = (
        nodes["$records"]["feature"],
        nodes["$records"]["left_child"],
    )


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (names_another_class, r"'subprocess\.Popen', which is not one of the types"),
        (shadows_a_method, "sets the attribute 'transform', a method of"),
        (has_a_function, r"os\.system"),
        (is_no_estimator, "holds a ndarray"),
        (shares_what_is_not_there, "cannot be loaded"),
        (reads_another_file, "cannot be loaded"),
        (branches_back, "branches lead nowhere"),
    ],
)
def test_attacks_are_refused(forest_file, tmp_path, attack, message):
    path = edited(forest_file, tmp_path / "model", attack)
    with pytest.raises(ValueError, match=message):
        skglitch.load(path)


def test_nets_are_not_fetched_from_elsewhere(net, tmp_path):
    def name_a_hub(schema):
        schema["estimator"]["$object"][2]["params"]["backbone"] = "hf-hub:someone/model"

    skglitch.save(net, tmp_path / "net")
    with pytest.raises(ValueError, match="hf-hub"):
        skglitch.load(edited(tmp_path / "net", tmp_path / "model", name_a_hub))


def test_another_version_of_scikit_learn_is_said(forest_file, tmp_path):
    def age(schema):
        steps_of(schema)[0][2]["_sklearn_version"] = "1.2.0"

    with pytest.warns(UserWarning, match=r"StandardScaler from version 1\.2\.0"):
        skglitch.load(edited(forest_file, tmp_path / "model", age))


def test_files_are_plain_text_and_arrays(forest_file):
    with zipfile.ZipFile(forest_file) as archive:
        assert archive.namelist() == ["schema.json", "weights.safetensors"]
        assert json.loads(archive.read("schema.json"))["protocol"] == 1
