"""Parameters as one vector, and back."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cv as tg
from tinygrad_cv import nn
from tinygrad_cv.nn import utils


def test_there_and_back():
    layer = nn.Linear(3, 2)
    vector = utils.parameters_to_vector(layer.parameters())
    want = np.concatenate([layer.weight.numpy().ravel(), layer.bias.numpy()])
    np.testing.assert_array_equal(vector.detach().numpy(), want)
    utils.vector_to_parameters(vector.detach() * 2, layer.parameters())
    np.testing.assert_array_equal(layer.weight.numpy().ravel(), 2 * want[:6])
    np.testing.assert_array_equal(layer.bias.numpy(), 2 * want[6:])


def test_gradients_flow_into_the_vectors_parts():
    layer = nn.Linear(2, 1)
    vector = utils.parameters_to_vector(layer.parameters())
    (vector * tg.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 2.0]]
    assert layer.bias.grad.tolist() == [3.0]


def test_a_vector_of_another_length():
    with pytest.raises(ValueError, match=r"shape \(4,\) but the parameters have 3 elements"):
        utils.vector_to_parameters(tg.zeros(4), nn.Linear(2, 1).parameters())
