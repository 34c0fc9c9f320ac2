"""Linear classifiers: scikit-learn's checks, descent by hand, schedules, errors, real images."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

import tinygrad_cv as tg
from tinygrad_cv.linear_model import LinearSVMClassifier, SoftmaxClassifier
from tinygrad_cv.optim.lr_scheduler import StepLR

BOTH = pytest.mark.parametrize("estimator", [LinearSVMClassifier, SoftmaxClassifier])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@BOTH
def test_scikit_learns_checks_pass(estimator):
    results = check_estimator(estimator(), on_fail="raise")
    assert len(results) > 50
    assert {result["status"] for result in results} <= {"passed", "skipped"}


def data_gradient(loss, scores, labels, delta):
    """The mean loss over rows and its gradient with respect to the scores, by the formulas."""
    n = np.arange(len(labels))
    if loss == "softmax":
        powers = np.exp(scores - scores.max(1, keepdims=True))
        shares = powers / powers.sum(1, keepdims=True)
        grad = shares.copy()
        grad[n, labels] -= 1
        return -np.log(shares[n, labels]).mean(), grad / len(labels)
    if loss == "ovr":
        signs = -np.ones_like(scores)
        signs[n, labels] = 1
        margins = delta - signs * scores
        return np.maximum(margins, 0).sum(1).mean(), -signs * (margins > 0) / len(labels)
    margins = scores - scores[n, labels][:, None] + delta
    margins[n, labels] = 0
    grad = (margins > 0).astype(scores.dtype)
    grad[n, labels] = -grad.sum(1)
    return np.maximum(margins, 0).sum(1).mean(), grad / len(labels)


def penalty_of(penalty, alpha, ratio, w):
    if penalty is None:
        return 0.0, 0 * w
    ratio = {"l2": 0, "l1": 1, "elasticnet": ratio}[penalty]
    value = ratio * abs(w).sum() + (1 - ratio) / 2 * (w * w).sum()
    return alpha * value, alpha * (ratio * np.sign(w) + (1 - ratio) * w)


def descend(
    X, labels, classes, loss, delta, penalty, alpha, ratio, bias_trick, lr, momentum, steps
):
    """Full-batch descent with momentum; W, b and the loss before each step."""
    if bias_trick:
        X = np.c_[X, np.ones(len(X))]
    w, b = np.zeros((classes, X.shape[1])), np.zeros(classes)
    vw, vb, curve = 0, 0, []
    for _ in range(steps):
        value, grad = data_gradient(loss, X @ w.T + b, labels, delta)
        extra, pull = penalty_of(penalty, alpha, ratio, w)
        curve.append(value + extra)
        vw = momentum * vw + grad.T @ X + pull
        vb = momentum * vb + grad.sum(0) * (not bias_trick)
        w, b = w - lr * vw, b - lr * vb
    return (w[:, :-1], w[:, -1], curve) if bias_trick else (w, b, curve)


@pytest.mark.parametrize("loss", ["weston_watkins", "ovr", "softmax"])
@given(
    seed=st.integers(0, 2**32 - 1), penalty=st.sampled_from(["l2", "l1", "elasticnet", None]),
    with_trick=st.booleans(), classes=st.integers(2, 4), momentum=st.sampled_from([0.0, 0.7]),
)  # fmt: skip
def test_descent_follows_the_formulas(loss, seed, penalty, with_trick, classes, momentum):
    # Sums of whole numbers bring a bias back to 0 exactly, or nearly so: |w| has a kink there.
    bias_trick = with_trick and penalty in ("l2", None)
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(classes), rng.integers(0, classes, 9)]
    X = rng.standard_normal((len(labels), 5))
    options = {
        "penalty": penalty, "alpha": 0.1, "l1_ratio": 0.3, "bias_trick": bias_trick,
        "learning_rate": "constant", "learning_rate_init": 0.05, "momentum": momentum,
        "max_iter": 4, "batch_size": len(labels), "random_state": 0,
    }  # fmt: skip
    if loss == "softmax":
        ours = SoftmaxClassifier(**options)
    else:
        ours = LinearSVMClassifier(multi_class=loss, delta=0.8, **options)
    ours.fit(X, labels)
    w, b, curve = descend(
        X, labels, classes, loss, 0.8, penalty, 0.1, 0.3, bias_trick, 0.05, momentum, 4
    )
    np.testing.assert_allclose(ours.coef_, w, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.intercept_, b, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.loss_curve_, curve, rtol=1e-9)
    scores = X @ w.T + b
    np.testing.assert_array_equal(ours.predict(X), scores.argmax(1))
    decided = ours.decision_function(X)
    want = scores[:, 1] - scores[:, 0] if classes == 2 else scores
    np.testing.assert_allclose(decided, want, rtol=1e-7, atol=1e-9)


def blobs(classes=3, n=300, features=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    return rng.standard_normal((n, features)) + 4 * np.eye(classes, features)[labels], labels


def test_probabilities_are_the_softmax_of_the_scores():
    X, y = blobs()
    classifier = SoftmaxClassifier(random_state=0).fit(X, y)
    powers = np.exp(classifier.decision_function(X))
    want = powers / powers.sum(1, keepdims=True)
    np.testing.assert_allclose(classifier.predict_proba(X), want)
    np.testing.assert_allclose(classifier.predict_log_proba(X), np.log(want))
    classifier.coef_ = classifier.coef_ * 1e4
    assert np.isfinite(classifier.predict_log_proba(X)).all()


@BOTH
def test_as_good_as_scikit_learns_descent(estimator):
    X, y = blobs(seed=1)
    test_X, test_y = blobs(seed=2)
    loss = "hinge" if estimator is LinearSVMClassifier else "log_loss"
    theirs = SGDClassifier(loss=loss, random_state=0).fit(X, y).score(test_X, test_y)
    assert estimator(random_state=0).fit(X, y).score(test_X, test_y) > theirs - 0.03


@BOTH
@pytest.mark.parametrize(
    ("dtype", "computed"), [(np.float32, "f4"), (np.float64, "f8"), (np.uint8, "f4"), (int, "f8")]
)
def test_the_dtype_of_a_fit(estimator, dtype, computed):
    X, y = blobs(n=40)
    X = (10 * abs(X)).astype(dtype)
    classifier = estimator(random_state=0).fit(X, y)
    assert classifier.coef_.dtype == classifier.decision_function(X).dtype == computed


@BOTH
def test_one_seed_one_result(estimator):
    X, y = blobs()
    one, same, other = (
        estimator(random_state=seed, batch_size=32).fit(X, y).coef_ for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def recorded(learning_rate):
    """The step sizes of each epoch: with a loss of constant slope, W moves by them."""
    X, y = np.array([[1.0], [-1.0]]), [1, 0]
    ends = []
    for epochs in range(1, 6):
        classifier = LinearSVMClassifier(
            learning_rate=learning_rate,
            learning_rate_init=0.5, momentum=0, penalty=None, delta=1e3, max_iter=epochs,
        )  # fmt: skip
        ends.append(classifier.fit(X, y).coef_[1, 0])
    return np.diff([0, *ends])


def test_constant_and_inverse_and_own_schedules():
    np.testing.assert_allclose(recorded("constant"), [0.5] * 5)
    np.testing.assert_allclose(recorded("inverse"), 0.5 / np.arange(1, 6))
    own = recorded(lambda optimizer: StepLR(optimizer, 2, 0.1))
    np.testing.assert_allclose(own, [0.5, 0.5, 0.05, 0.05, 0.005])


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [
        ("cosine", 0.5 * 0.5 * (1 + np.cos(np.pi * np.arange(4) / 4))),
        ("exponential", 0.5 * 0.01 ** (np.arange(4) / 4)),
    ],
)
def test_schedules_that_know_the_end(schedule, steps):
    classifier = LinearSVMClassifier(
        learning_rate=schedule, learning_rate_init=0.5, momentum=0, penalty=None, delta=1e3,
        max_iter=4,
    )  # fmt: skip
    classifier.fit(np.array([[1.0], [-1.0]]), [1, 0])
    np.testing.assert_allclose(classifier.coef_[1, 0], sum(steps))


def test_the_first_step_suits_the_length_of_the_rows():
    X = np.array([[3.0, 4], [-3, 4]])
    classifier = SoftmaxClassifier(max_iter=1, penalty=None, learning_rate="constant")
    classifier.fit(X, [0, 1])
    np.testing.assert_allclose(classifier.coef_[0], 2 / 26 * np.array([3.0, 0]) / 2)


@BOTH
def test_partial_fit_goes_on_from_where_it_was(estimator):
    X, y = blobs()
    classifier = estimator(random_state=0, batch_size=50)
    for _ in range(20):
        classifier.partial_fit(X, y, classes=[0, 1, 2])
    assert classifier.n_iter_ == len(classifier.loss_curve_) == 20
    assert classifier.loss_curve_[-1] < classifier.loss_curve_[0] / 2
    assert classifier.score(X, y) > 0.9
    one_class = classifier.coef_.copy()
    classifier.partial_fit(X[y == 2], y[y == 2])
    assert (classifier.coef_ != one_class).any()
    assert classifier.classes_.tolist() == [0, 1, 2]
    fresh = estimator(random_state=0, batch_size=50).fit(X, y).coef_
    np.testing.assert_array_equal(classifier.fit(X, y).coef_, fresh)
    classifier.partial_fit(X, y)
    assert (classifier.coef_ != fresh).any()
    assert classifier.n_iter_ == 21


@BOTH
def test_partial_fit_needs_to_know_the_classes(estimator):
    X, y = blobs()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        estimator().partial_fit(X, y)
    classifier = estimator().partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="not the same as on last call"):
        classifier.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"label\(s\) \[3\] in y do not exist"):
        classifier.partial_fit(X, y + 1)


@BOTH
def test_it_pickles_and_goes_on(estimator):
    X, y = blobs()
    classifier = estimator(random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.partial_fit(X, y).coef_, classifier.partial_fit(X, y).coef_)


def test_grid_search_takes_them():
    X, y = blobs()
    grid = {"alpha": [1e-4, 1e-2], "penalty": ["l1", "l2"]}
    search = GridSearchCV(SoftmaxClassifier(max_iter=5, random_state=0), grid, cv=3)
    assert search.fit(X, y).best_score_ > 0.9


@BOTH
def test_bad_input_is_refused_as_scikit_learn_does(estimator):
    X, y = blobs()
    for change, message in [
        (lambda: estimator().fit(X * np.nan, y), "contains NaN"),
        (lambda: estimator().fit(X[:0], y[:0]), "0 sample"),
        (lambda: estimator().fit(X, y[:-1]), "inconsistent numbers of samples"),
        (lambda: estimator().fit(X, 0 * y), "only one class: .*0"),
        (lambda: estimator().fit(X, y + 0.5), "Unknown label type: continuous"),
        (lambda: estimator().fit(X, y).predict(X[:, 1:]), "X has 3 features, but"),
    ]:
        with pytest.raises(ValueError, match=message):
            change()


@BOTH
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"penalty": "l3"}, r"'penalty' parameter of .* one of \['l2', .*Got 'l3' instead"),
        ({"alpha": -1}, "'alpha' parameter of .* at least 0. Got -1 instead"),
        ({"l1_ratio": 2}, "'l1_ratio' parameter of .* between 0 and 1. Got 2"),
        ({"learning_rate": "warp"}, "'learning_rate' parameter of .* or a callable. Got 'warp'"),
        ({"learning_rate_init": 0}, "'learning_rate_init' parameter of .* above 0 or None. Got 0"),
        ({"momentum": 1}, "'momentum' parameter of .* below 1. Got 1"),
        ({"max_iter": 0}, "'max_iter' parameter of .* at least 1. Got 0"),
        ({"batch_size": 2.5}, "'batch_size' parameter of .* int of at least 1. Got 2.5"),
    ],
)
def test_parameters_that_cannot_be(estimator, parameters, message):
    with pytest.raises(ValueError, match=message):
        estimator(**parameters).fit(*blobs())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"multi_class": "crammer"}, "'multi_class' parameter of .* Got 'crammer' instead"),
        ({"delta": 0}, "'delta' parameter of .* above 0. Got 0 instead"),
    ],
)
def test_parameters_of_the_margin_that_cannot_be(parameters, message):
    with pytest.raises(ValueError, match=message):
        LinearSVMClassifier(**parameters).fit(*blobs())


def test_steps_that_are_too_long_are_named():
    X, y = blobs()
    with pytest.raises(
        FloatingPointError, match=r"loss is .* in epoch \d+: learning_rate_init 1e\+20"
    ):
        LinearSVMClassifier(learning_rate_init=1e20, max_iter=50).fit(X, y)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "least"), [(LinearSVMClassifier, 0.36), (SoftmaxClassifier, 0.38)]
)
def test_the_defaults_on_cifar10(estimator, least):
    X, y = tg.data.cifar10(train=True).arrays()
    test_X, test_y = tg.data.cifar10(train=False).arrays()
    mean = X.mean(0, dtype=np.float32)
    X, test_X = ((rows - mean) / np.float32(127.5) for rows in (X, test_X))
    assert estimator(random_state=0).fit(X, y).score(test_X, test_y) >= least
