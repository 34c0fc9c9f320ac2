"""Transformers: scikit-learn's checks, its values, float32 kept, fitted on training rows alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import decomposition
from sklearn import preprocessing as theirs
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import tinygrad_cv as tg
from tinygrad_cv.data.preprocessing import (
    PCA,
    MeanSubtraction,
    RangeScaler,
    StandardScaler,
    ZCAWhitening,
)
from tinygrad_cv.linear_model import SoftmaxClassifier

ALL = [MeanSubtraction, StandardScaler, RangeScaler, PCA, ZCAWhitening]
every = pytest.mark.parametrize("transformer", ALL)


def rows_of(dtype=np.float64, n=60, features=6):
    rng = np.random.default_rng(1)
    return (
        (80 + 30 * rng.standard_normal((n, features)) @ np.tri(features)).clip(0, 255).astype(dtype)
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@every
def test_scikit_learns_checks_pass(transformer):
    results = check_estimator(transformer(), on_fail="raise")
    assert len(results) > 40
    assert {result["status"] for result in results} <= {"passed", "skipped"}


@every
@pytest.mark.parametrize(
    ("dtype", "gives"), [(np.uint8, "f4"), (np.float32, "f4"), (np.float64, "f8"), (int, "f8")]
)
def test_float32_is_kept_and_bytes_become_it(transformer, dtype, gives):
    rows = rows_of(dtype)
    assert transformer().fit(rows).transform(rows).dtype == gives


@pytest.mark.parametrize(
    ("ours", "want"),
    [
        (MeanSubtraction(), theirs.StandardScaler(with_std=False)),
        (StandardScaler(), theirs.StandardScaler()),
        (StandardScaler(with_mean=False), theirs.StandardScaler(with_mean=False)),
        (StandardScaler(with_std=False), theirs.StandardScaler(with_std=False)),
        (RangeScaler(per_feature=True), theirs.MinMaxScaler((-1, 1))),
    ],
    ids=str,
)
def test_scalers_are_scikit_learns(ours, want):
    train, other = rows_of(), 3 * rows_of()[:7] - 100
    train[:, 2] = 7.1  # constant
    np.testing.assert_allclose(
        ours.fit(train).transform(other)[:, [0, 1, 3, 4, 5]],
        want.fit(train).transform(other)[:, [0, 1, 3, 4, 5]],
    )
    if not isinstance(ours, RangeScaler):
        np.testing.assert_allclose(ours.transform(other), want.transform(other), atol=1e-9)
    np.testing.assert_allclose(ours.inverse_transform(ours.transform(other)), other)


def test_a_constant_is_moved_to_0():
    rows = np.full((5, 2), 200, np.uint8)
    for transformer in (MeanSubtraction(), StandardScaler(), RangeScaler()):
        np.testing.assert_array_equal(transformer.fit_transform(rows), np.zeros((5, 2)))


def test_channels_share_their_statistics():
    rows = rows_of(features=6)
    scaler = StandardScaler(channels=2).fit(rows)
    first, second = rows[:, :3], rows[:, 3:]
    np.testing.assert_allclose(scaler.mean_, np.repeat([first.mean(), second.mean()], 3))
    np.testing.assert_allclose(scaler.scale_, np.repeat([first.std(), second.std()], 3))
    np.testing.assert_allclose(
        MeanSubtraction(channels=2).fit_transform(rows)[:, 3:], second - second.mean()
    )


def test_images_are_mapped_to_the_range_as_a_whole():
    rows = np.array([[0, 100], [50, 255]], np.uint8)
    got = RangeScaler().fit_transform(rows)
    np.testing.assert_allclose(got, rows / np.float32(127.5) - 1, rtol=1e-6)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("components", [None, 3, 0.9])
def test_pca_is_scikit_learns(whiten, components):
    rows = rows_of()
    ours = PCA(components, whiten=whiten, epsilon=0).fit(rows)
    want = decomposition.PCA(components, whiten=whiten, svd_solver="full").fit(rows)
    assert ours.n_components_ == want.n_components_
    signs = np.sign((ours.components_ * want.components_).sum(1))
    np.testing.assert_allclose(ours.components_, want.components_ * signs[:, None], atol=1e-9)
    np.testing.assert_allclose(ours.explained_variance_, want.explained_variance_)
    np.testing.assert_allclose(ours.explained_variance_ratio_, want.explained_variance_ratio_)
    np.testing.assert_allclose(
        ours.transform(rows[:5]), want.transform(rows[:5]) * signs, atol=1e-9
    )
    np.testing.assert_allclose(
        ours.inverse_transform(ours.transform(rows[:5])),
        want.inverse_transform(want.transform(rows[:5])),
        atol=1e-9,
    )
    assert (abs(ours.components_).max(1) == ours.components_.max(1)).all()


@pytest.mark.parametrize("transformer", [PCA(whiten=True), ZCAWhitening()], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whitened_rows_are_uncorrelated_with_variance_1(transformer, dtype):
    white = transformer.fit_transform(rows_of(dtype, n=500))
    tolerance = 1e-5 if dtype == np.float64 else 2e-3
    np.testing.assert_allclose(np.cov(white.T), np.eye(6), atol=tolerance)


def test_zca_is_the_whitening_nearest_to_the_rows():
    rows = rows_of(n=500)
    centred = rows - rows.mean(0)
    white = ZCAWhitening(epsilon=0).fit_transform(rows)
    rotated = PCA(whiten=True, epsilon=0).fit_transform(rows)
    assert np.square(white - centred).sum() < np.square(rotated - centred).sum()
    matrix = ZCAWhitening().fit(rows).whitening_
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)


@every
def test_other_rows_get_the_training_rows_numbers(transformer):
    train, other = rows_of(), rows_of()[:5] + 1000
    fitted = transformer().fit(train)
    np.testing.assert_array_equal(
        fitted.transform(other)[:2], transformer().fit(train).transform(other[:2])
    )
    assert abs(fitted.transform(other).mean()) > 1


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (
            MeanSubtraction(channels=4),
            "'channels' parameter of MeanSubtraction .* 6 features. Got 4",
        ),
        (StandardScaler(channels=0), "'channels' parameter of StandardScaler .* Got 0 instead"),
        (PCA(7), r"n_components=7 must be between 1 and min\(n_samples, n_features\)=6"),
        (PCA(1.5), "n_components=1.5 must be between"),
        (PCA(epsilon=-1), "'epsilon' parameter of PCA .* at least 0. Got -1"),
        (ZCAWhitening(epsilon="a"), "'epsilon' parameter of ZCAWhitening .* Got 'a'"),
    ],
    ids=str,
)
def test_parameters_that_cannot_be(transformer, message):
    with pytest.raises(ValueError, match=message):
        transformer.fit(rows_of())


def test_one_row_has_no_variance():
    with pytest.raises(ValueError, match="n_samples=1 but a variance needs at least 2 rows"):
        PCA().fit(rows_of(n=1))


def test_a_pipeline_from_bytes_to_labels():
    X, y = tg.data.digits(train=True).arrays()
    pipeline = make_pipeline(
        MeanSubtraction(), PCA(40, whiten=True), SoftmaxClassifier(random_state=0)
    )
    assert pipeline.fit(X[:2000], y[:2000]).score(X[2000:3000], y[2000:3000]) > 0.85
    assert tg.data.preprocessing.PCA is PCA
