"""One seed, one result."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_cv as tg


def test_one_seed_gives_the_same_numbers():
    draws = [tg.rand(5, generator=tg.Generator(3)).tolist() for _ in range(2)]
    assert draws[0] == draws[1]
    assert tg.rand(5, generator=tg.Generator(4)).tolist() != draws[0]


def test_manual_seed_seeds_the_default_generator():
    tg.manual_seed(7)
    first = tg.randn(4).tolist()
    assert tg.manual_seed(7).initial_seed() == 7
    assert tg.randn(4).tolist() == first


def test_generators_and_numpys_state_are_apart():
    tg.manual_seed(7)
    first = tg.rand(3).tolist()
    tg.manual_seed(7)
    np.random.seed(0)  # noqa: NPY002
    np.random.rand()  # noqa: NPY002
    tg.rand(3, generator=tg.Generator(1))
    assert tg.rand(3).tolist() == first


def test_state_goes_through_json():
    generator = tg.Generator(5)
    tg.rand(3, generator=generator)
    state = json.loads(json.dumps(generator.get_state()))
    want = tg.rand(3, generator=generator).tolist()
    other = tg.Generator()
    other.set_state(state)
    assert tg.rand(3, generator=other).tolist() == want
    assert other.initial_seed() == 5


def test_without_a_seed_the_system_chooses():
    assert tg.Generator().initial_seed() != tg.Generator().initial_seed()
    assert tg.Generator().initial_seed() >= 0


def test_bad_seeds_are_refused():
    with pytest.raises(ValueError, match="manual_seed: seed must be >= 0, got -1"):
        tg.manual_seed(-1)
    for seed in (1.5, "a", True):
        with pytest.raises(TypeError, match="manual_seed: seed must be an int, got"):
            tg.Generator(seed)
