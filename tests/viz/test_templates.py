"""Templates of linear classifiers as images."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import tinygrad_cv as tg
from tinygrad_cv.data.preprocessing import MeanSubtraction
from tinygrad_cv.linear_model import SoftmaxClassifier
from tinygrad_cv.viz import templates


def fitted(coef, classes=None):
    coef = np.asarray(coef, float)
    return SimpleNamespace(coef_=coef, classes_=classes or list(range(len(coef))))


def test_pixels_are_the_weights_channel_by_channel():
    weights = np.arange(2 * 3 * 4).reshape(2, 12) * [[1], [-2]]
    images = templates(fitted(weights))
    assert images.shape == (2, 2, 2, 3)
    assert images.dtype == np.uint8
    assert images[0, 0, 0].tolist() == [0, round(255 * 4 / 11), round(255 * 8 / 11)]
    assert images[1, 0, 0, 0] == 255
    assert images[1, 1, 1, 2] == 0


def test_shapes_are_guessed_or_given():
    assert templates(fitted(np.ones((1, 3072)))).shape == (1, 32, 32, 3)
    assert templates(fitted(np.ones((1, 784)))).shape == (1, 28, 28, 1)
    assert templates(fitted(np.ones((1, 12))), shape=(1, 2, 6)).shape == (1, 2, 6, 1)
    assert (templates(fitted(np.ones((1, 4)))) == 0).all()


def test_a_pipeline_of_digits_is_drawn(tmp_path):
    from matplotlib.image import imread

    X, y = tg.data.digits(train=True).arrays()
    pipeline = make_pipeline(MeanSubtraction(), SoftmaxClassifier(max_iter=2, random_state=0))
    images = templates(pipeline.fit(X[:500], y[:500]), tmp_path / "t.png")
    assert images.shape == (10, 28, 28, 1)
    picture = imread(tmp_path / "t.png")
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 100


@pytest.mark.parametrize(
    ("classifier", "options", "message"),
    [
        (SimpleNamespace(), {}, "SimpleNamespace has no coef_; fit a linear classifier"),
        (fitted(np.ones((2, 7))), {}, "7 features are no square image of 1 or 3 channels"),
        (fitted(np.ones((2, 7))), {"shape": (1, 2, 3)}, r"has 6 pixels but coef_ \(2, 7\) has 7"),
        (fitted(np.ones((2, 4))), {"names": ["a"]}, "1 names for 2 classes"),
    ],
)
def test_what_is_no_picture_is_refused(classifier, options, message):
    with pytest.raises(ValueError, match=message):
        templates(classifier, **options)
