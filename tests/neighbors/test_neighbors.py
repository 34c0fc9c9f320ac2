"""Nearest-neighbour estimators: scikit-learn's checks, its predictions, its errors, our tie rules."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import neighbors as theirs
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

import tinygrad_cv as tg
from tinygrad_cv.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors

METRICS = [
    "l1", "manhattan", "l2", "euclidean", "sqeuclidean", "cosine", "chebyshev", "hamming",
    ("minkowski", 1), ("minkowski", 2), ("minkowski", 3), ("minkowski", np.inf),
]  # fmt: skip
ESTIMATORS = [KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors]
WEIGHTS = ["uniform", "distance", lambda d: 1 / (1 + d)]

estimators = pytest.mark.parametrize("estimator", ESTIMATORS)
metrics = pytest.mark.parametrize("metric", METRICS, ids=str)


def options(metric):
    return {"metric": metric} if isinstance(metric, str) else {"metric": metric[0], "p": metric[1]}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@estimators
def test_scikit_learns_checks_pass(estimator):
    results = check_estimator(estimator(), on_fail="raise")
    assert len(results) > 35
    assert {result["status"] for result in results} <= {"passed", "skipped"}


@st.composite
def tables(draw):
    """Random rows with labels of few classes, and queries: vote ties abound."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    m, depth = draw(st.integers(12, 60)), draw(st.integers(1, 70))
    dtype = draw(st.sampled_from([np.float64, np.float32, np.uint8]))
    rows, queries = (
        rng.integers(0, 256, (n, depth)).astype(dtype) if dtype == np.uint8
        else rng.standard_normal((n, depth)).astype(dtype)
        for n in (m, 25)
    )  # fmt: skip
    labels = np.array(["cat", "dog", "bird"])[rng.integers(0, 3, m)]
    return rows, labels, queries, draw(st.integers(1, 12))


def without_ties(rows, queries, k, how):
    """Queries whose k-th and next neighbour are at clearly different distances."""
    everyone = theirs.NearestNeighbors(n_neighbors=len(rows), algorithm="brute", **how)
    d, _ = everyone.fit(rows.astype(np.float64)).kneighbors(queries.astype(np.float64))
    if how.get("metric") == "cosine" and rows.shape[1] == 1:
        return np.zeros(len(queries), bool)  # all at 0 or 2, and rounding would be the order
    if k == len(rows):
        return np.ones(len(queries), bool)
    return d[:, k] - d[:, k - 1] > 1e-4 * np.maximum(d[:, k], 1e-3)


@metrics
@pytest.mark.parametrize("weights", WEIGHTS, ids=["uniform", "distance", "callable"])
@given(table=tables())
def test_predictions_are_scikit_learns(metric, weights, table):
    rows, labels, queries, k = table
    how = options(metric)
    clear = without_ties(rows, queries, k, how)
    wide_rows, wide_queries = rows.astype(np.float64), queries.astype(np.float64)
    want = theirs.KNeighborsClassifier(k, weights=weights, algorithm="brute", **how)
    want.fit(wide_rows, labels)
    ours = KNeighborsClassifier(k, weights=weights, **how).fit(rows, labels)
    shares = ours.predict_proba(queries)
    with np.errstate(invalid="ignore"):
        want_shares = want.predict_proba(wide_queries)
    np.testing.assert_allclose(shares[clear], want_shares[clear], rtol=1e-3, atol=1e-4)
    # Nearly equal sums of rounded weights may fall either way in float32.
    top = np.sort(shares, axis=1)[:, ::-1]
    sure = clear & ((weights == "uniform") | (top[:, 0] - top[:, 1] > 1e-4) | (k == 1))
    np.testing.assert_array_equal(ours.predict(queries)[sure], want.predict(wide_queries)[sure])


@metrics
@pytest.mark.parametrize("weights", WEIGHTS, ids=["uniform", "distance", "callable"])
@given(table=tables(), outputs=st.sampled_from([None, 2]))
def test_means_are_scikit_learns(metric, weights, table, outputs):
    rows, _, queries, k = table
    how = options(metric)
    clear = without_ties(rows, queries, k, how)
    y = np.random.default_rng(k).standard_normal((len(rows), outputs or 1))
    y = y if outputs else y.ravel()
    want = theirs.KNeighborsRegressor(k, weights=weights, algorithm="brute", **how)
    want.fit(rows.astype(np.float64), y)
    ours = KNeighborsRegressor(k, weights=weights, **how).fit(rows, y)
    np.testing.assert_allclose(
        ours.predict(queries)[clear], want.predict(queries.astype(np.float64))[clear],
        rtol=1e-3, atol=1e-3,
    )  # fmt: skip


@metrics
@pytest.mark.parametrize("own", [False, True])
def test_neighbours_are_scikit_learns(metric, own):
    rng = np.random.default_rng(3)
    rows, queries = rng.standard_normal((50, 7)), rng.standard_normal((9, 7))
    how = options(metric)
    if how["metric"] == "hamming":  # ties everywhere, unless the shares differ
        rows = np.triu(np.ones((50, 50)))[:, ::-1].copy()
        queries = np.zeros((1, 50))
    want = theirs.NearestNeighbors(n_neighbors=4, algorithm="brute", **how).fit(rows)
    ours = NearestNeighbors(n_neighbors=4, **how).fit(rows)
    where = None if own else queries
    d, index = ours.kneighbors(where)
    want_d, want_index = want.kneighbors(where)
    np.testing.assert_allclose(d, want_d, rtol=1e-7, atol=1e-12)
    if not (own and how["metric"] == "hamming"):
        np.testing.assert_array_equal(index, want_index)
        np.testing.assert_array_equal(
            ours.kneighbors_graph(where).toarray(), want.kneighbors_graph(where).toarray()
        )
    np.testing.assert_allclose(
        ours.kneighbors_graph(where, mode="distance").data, want_d.ravel(), rtol=1e-7, atol=1e-12
    )


def test_dot_finds_the_largest_product():
    rows = np.array([[1.0, 0], [3, 0], [0, 5]])
    d, index = NearestNeighbors(n_neighbors=2, metric="dot").fit(rows).kneighbors([[2.0, 1]])
    assert index.tolist() == [[1, 2]]
    assert d.tolist() == [[-6.0, -5.0]]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("room", ["cpp", "reference"])
def test_the_lower_index_wins_a_distance_tie_at_rank_k(dtype, room):
    rows = np.array([[4], [6], [4], [6]], dtype)  # all at distance 1 from 5
    with tg.use_backend(room):
        classifier = KNeighborsClassifier(1).fit(rows, [3, 2, 1, 0])
        assert classifier.kneighbors(np.array([[5]], dtype), 3)[1].tolist() == [[0, 1, 2]]
        assert classifier.predict(np.array([[5]], dtype)).tolist() == [3]


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_the_smallest_label_wins_a_vote_tie(weights):
    rows = np.array([[4.0], [6.0], [7.0], [3.0]])
    classifier = KNeighborsClassifier(4, weights=weights).fit(rows, ["b", "c", "c", "b"])
    assert classifier.predict([[5.0]]).tolist() == ["b"]
    assert classifier.predict_proba([[5.0]]).tolist() == [[0.5, 0.5]]


def test_a_row_at_distance_0_decides_alone():
    rows = np.array([[0.0], [1.0], [1.0], [1.5]])
    classifier = KNeighborsClassifier(4, weights="distance").fit(rows, [7, 8, 8, 8])
    assert classifier.predict([[0.0], [1.0]]).tolist() == [7, 8]
    assert classifier.predict_proba([[0.0]]).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@given(table=tables())
def test_predict_for_gives_what_predict_gives_for_each_k(weights, table):
    rows, labels, queries, _ = table
    classifier = KNeighborsClassifier(weights=weights, metric="l1").fit(rows, labels)
    for k, got in classifier.predict_for(queries, [1, 4, 11]).items():
        one = KNeighborsClassifier(k, weights=weights, metric="l1").fit(rows, labels)
        np.testing.assert_array_equal(got, one.predict(queries))


def test_predict_for_no_k_and_for_too_many():
    classifier = KNeighborsClassifier().fit(np.eye(6), range(6))
    assert classifier.predict_for(np.eye(6), []) == {}
    with pytest.raises(ValueError, match="n_neighbors = 7, n_samples_fit = 6"):
        classifier.predict_for(np.eye(6), [1, 7])


def test_bytes_are_kept_as_bytes_and_floats_as_they_are():
    for dtype in (np.uint8, np.float32, np.float64):
        rows = np.arange(12).reshape(4, 3).astype(dtype)
        assert KNeighborsClassifier(1).fit(rows, [0, 1, 0, 1])._fit_X is rows
        d, _ = NearestNeighbors(n_neighbors=1).fit(rows).kneighbors(rows)
        assert d.dtype == (np.float32 if dtype == np.float32 else np.float64)
    assert KNeighborsClassifier(1).fit([[1], [2]], [0, 1])._fit_X.dtype == np.float64


def test_bytes_and_floats_are_compared_as_floats():
    rows = np.array([[250], [3]], np.uint8)
    finder = NearestNeighbors(n_neighbors=2, metric="l1").fit(rows)
    d, index = finder.kneighbors(np.array([[-1.5]]))
    assert d.tolist() == [[4.5, 251.5]]
    assert index.tolist() == [[1, 0]]


def test_the_worked_distance_of_two_images_is_456():
    a = [[56, 32, 10, 18], [90, 23, 128, 133], [24, 26, 178, 200], [2, 0, 255, 220]]
    b = [[10, 20, 24, 17], [8, 10, 89, 100], [12, 16, 178, 170], [4, 32, 233, 112]]
    a, b = (np.array(image, np.uint8).reshape(1, -1) for image in (a, b))
    assert NearestNeighbors(n_neighbors=1, metric="l1").fit(a).kneighbors(b)[0].item() == 456


def test_several_outputs_are_scikit_learns():
    rng = np.random.default_rng(4)
    rows, queries = rng.standard_normal((40, 3)), rng.standard_normal((9, 3))
    y = rng.integers(0, 3, (40, 2))
    want = theirs.KNeighborsClassifier(3).fit(rows, y)
    ours = KNeighborsClassifier(3).fit(rows, y)
    np.testing.assert_array_equal(ours.predict(queries), want.predict(queries))
    for got, wanted in zip(ours.predict_proba(queries), want.predict_proba(queries), strict=True):
        np.testing.assert_allclose(got, wanted)


BAD = {
    "NaN in X": (lambda X, y: ([[np.nan, 1]] * 9, y), ValueError, "contains NaN"),
    "no rows": (lambda X, y: (X[:0], y[:0]), ValueError, "0 sample"),
    "fewer labels": (lambda X, y: (X, y[:-1]), ValueError, "inconsistent numbers of samples"),
    "no labels": (lambda X, y: (X, None), ValueError, "requires y to be passed"),
    "one dimension": (lambda X, y: (X[:, 0], y), ValueError, "Expected 2D array"),
    "real targets": (lambda X, y: (X, y + 0.5), ValueError, "Unknown label type: continuous"),
    "mixed labels": (lambda X, y: (X, np.array([1, "a", 2.5] * 3, object)), ValueError, "Unknown label type: unknown"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_raises_what_scikit_learn_raises(case):
    change, error, message = BAD[case]
    X, y = change(np.arange(18.0).reshape(9, 2), np.arange(9) % 3)
    for classifier in (KNeighborsClassifier(2), theirs.KNeighborsClassifier(2)):
        with pytest.raises(error, match=message):
            classifier.fit(X, y)


def test_bad_queries_raise_what_scikit_learn_raises():
    X, y = np.arange(18.0).reshape(9, 2), np.arange(9) % 3
    for kind in (KNeighborsClassifier, theirs.KNeighborsClassifier):
        classifier = kind(2).fit(X, y)
        with pytest.raises(ValueError, match=r"X has 3 features, but K.* is expecting 2 features"):
            classifier.predict(np.zeros((1, 3)))
        with pytest.raises(ValueError, match="NaN"):
            classifier.predict([[np.nan, 0]])
        with pytest.raises(ValueError, match="n_neighbors = 10, n_samples_fit = 9, n_samples = 1"):
            classifier.kneighbors(np.zeros((1, 2)), 10)
        with pytest.raises(ValueError, match="Expected n_neighbors < n_samples_fit"):
            classifier.kneighbors(n_neighbors=9)
        with pytest.raises(TypeError, match="n_neighbors does not take"):
            classifier.kneighbors(np.zeros((1, 2)), 2.5)
        with pytest.raises(ValueError, match="not fitted"):
            kind().predict(X)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_neighbors": 0}, ValueError, "Expected n_neighbors > 0. Got 0"),
        ({"n_neighbors": 1.5}, TypeError, "n_neighbors does not take <class 'float'>"),
        ({"metric": "lp"}, ValueError, "'metric' parameter of KNeighbors.* Got 'lp' instead"),
        ({"p": -1}, ValueError, "'p' parameter of KNeighbors.* above 0. Got -1 instead"),
        ({"weights": "gauss"}, ValueError, "'weights' parameter of KNeighbors.* Got 'gauss'"),
        ({"weights": "distance", "metric": "dot"}, ValueError, "distances may be negative"),
    ],
)
@pytest.mark.parametrize("estimator", [KNeighborsClassifier, KNeighborsRegressor])
def test_parameters_that_cannot_be(estimator, parameters, error, message):
    with pytest.raises(error, match=message):
        estimator(**parameters).fit(np.eye(3), [0, 1, 2])


def test_weights_of_zero_and_other_modes_are_refused():
    classifier = KNeighborsClassifier(2, weights=np.zeros_like).fit(np.eye(3), [0, 1, 2])
    with pytest.raises(ValueError, match="zero weights"):
        classifier.predict(np.eye(3))
    with pytest.raises(ValueError, match="Unsupported mode"):
        classifier.kneighbors_graph(mode="adjacency")


def test_scikit_learns_tools_take_them():
    digits = tg.data.digits(train=True)
    X, y = digits.arrays()
    X, y = X[:600], y[:600]
    search = GridSearchCV(
        KNeighborsClassifier(), {"n_neighbors": [1, 5], "metric": ["l1", "l2"]}, cv=3
    )
    assert search.fit(X, y).best_score_ > 0.8
    assert cross_val_score(KNeighborsClassifier(3), X, y, cv=3).min() > 0.75
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(X[:9]), search.predict(X[:9]))
    assert clone(again).get_params() == again.get_params()


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("metric", "right"), [("l1", 3845), ("l2", 3530)])
def test_one_nearest_neighbour_on_the_stored_cifar10(metric, right):
    X, y = tg.data.cifar10(train=True).arrays()
    test_X, test_y = tg.data.cifar10(train=False).arrays()
    classifier = KNeighborsClassifier(1, metric=metric).fit(X, y)
    assert int((classifier.predict(test_X) == test_y).sum()) == right


@pytest.mark.parametrize("part", ["neighbors", "linear_model", "data.preprocessing"])
def test_without_scikit_learn_the_error_says_what_to_install(part):
    code = f"import sys; sys.modules['sklearn'] = None; import tinygrad_cv as tg; tg.{part}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'ImportError: sklearn is not installed: pip install "tinygrad-cv[train]"' in done.stderr
