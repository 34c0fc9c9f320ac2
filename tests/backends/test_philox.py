"""Counter-based random numbers: the words of the paper's program, and the numbers made of them."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cv import backends
from tinygrad_cv.backends.philox import uniforms, words


def test_words_are_those_of_the_paper():
    """The known answers of Random123 (kat_vectors, philox4x32 10) whose upper counter is 0."""
    assert [hex(w) for w in words([0], 0)[0]] == [
        "0x6627e8d5",
        "0xe169c58d",
        "0xbc57ac4c",
        "0x9b00dbd8",
    ]


def test_words_follow_the_rounds_written_out():
    def slowly(counter, key):
        x = [counter & 0xFFFFFFFF, counter >> 32, 0, 0]
        k = [key & 0xFFFFFFFF, key >> 32]
        for _ in range(10):
            a, b = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
            x = [(b >> 32) ^ x[1] ^ k[0], b % 2**32, (a >> 32) ^ x[3] ^ k[1], a % 2**32]
            k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
        return x

    counters = [0, 1, 2**32 - 1, 2**32, 2**63 + 12345]
    for key in (0, 1, 2**32, 2**63 - 1):
        np.testing.assert_array_equal(words(counters, key), [slowly(c, key) for c in counters])


def test_uniforms():
    x = uniforms(7, (100, 1001), np.float32)
    assert x.dtype == np.float32
    assert x.min() >= 0
    assert x.max() < 1
    counts = np.histogram(x, 16, (0, 1))[0]
    assert (abs(counts - x.size / 16) < 5 * (x.size / 16) ** 0.5).all()
    np.testing.assert_array_equal(uniforms(7, (6,), np.float64), x.ravel()[:6])
    assert uniforms(7, (0, 3), np.float64).shape == (0, 3)
    assert (uniforms(8, (64,), np.float32) != x.ravel()[:64]).any()


@pytest.mark.parametrize("name", ["reference", "cpp"])
def test_dropout_by_a_key_is_dropout_by_its_numbers(name):
    with backends.use_backend(name):
        x = np.arange(1.0, 40).reshape(3, 13)
        room = backends.backend_for(x)
        want = room.dropout(x, uniforms(5, x.shape, x.dtype), 0.25)
        np.testing.assert_array_equal(room.dropout(x, 5, 0.25), want)
