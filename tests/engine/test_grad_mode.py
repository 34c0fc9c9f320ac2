"""Recording is switched per thread and task: as a block, as a decorator, around generators."""

from __future__ import annotations

import asyncio
import threading

import pytest

import tinygrad_cv as tg
from tinygrad_cv.engine import watch


@pytest.fixture(autouse=True)
def fast_path_again():
    before = watch.reasons
    yield
    assert watch.reasons == before
    assert tg.is_grad_enabled()


@pytest.fixture
def x():
    return tg.tensor([1.0, 2.0], requires_grad=True)


def test_no_grad_records_nothing_inside_and_all_outside(x):
    with tg.no_grad():
        assert not tg.is_grad_enabled()
        inside = x * 2
    outside = x * 2
    assert inside.gate is None
    assert not inside.requires_grad
    assert outside.requires_grad
    assert x.requires_grad


def test_a_leaf_made_inside_no_grad_may_still_want_a_gradient():
    with tg.no_grad():
        x = tg.tensor([1.0], requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2]


def test_modes_nest(x):
    with tg.no_grad():
        with tg.enable_grad():
            assert (x * 2).requires_grad
            with tg.set_grad_enabled(False):
                assert not (x * 2).requires_grad
            with tg.set_grad_enabled(True):
                assert (x * 2).requires_grad
        assert not (x * 2).requires_grad


def test_an_error_inside_leaves_the_mode_as_it_was(x):
    with pytest.raises(KeyError), tg.no_grad():
        raise KeyError
    assert (x * 2).requires_grad


def test_one_block_may_be_entered_twice(x):
    block = tg.no_grad()
    with block, block:
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def called(x):
    """The doc."""
    return (x * 2).requires_grad


@pytest.mark.parametrize("decorate", [tg.no_grad, tg.no_grad()], ids=["bare", "called"])
def test_no_grad_as_a_decorator(x, decorate):
    function = decorate(called)
    assert function(x) is False
    assert called(x) is True
    assert (function.__name__, function.__doc__) == ("called", "The doc.")


@pytest.mark.parametrize("decorate", [tg.enable_grad, tg.enable_grad()], ids=["bare", "called"])
def test_enable_grad_as_a_decorator(x, decorate):
    with tg.no_grad():
        assert decorate(called)(x) is True


def test_a_decorated_method(x):
    class Model:
        @tg.no_grad()
        def predict(self, x):
            return (x * 2).requires_grad

    assert Model().predict(x) is False


def test_a_decorated_function_may_call_itself(x):
    @tg.no_grad()
    def down(depth):
        return (x * 2).requires_grad if depth == 0 else down(depth - 1)

    assert down(5) is False


def test_a_decorated_generator_holds_the_mode_while_its_body_runs(x):
    @tg.no_grad()
    def steps():
        received = yield (x * 2).requires_grad
        yield received, (x * 2).requires_grad
        return "end"

    generator = steps()
    assert next(generator) is False
    assert (x * 2).requires_grad  # its caller is not concerned
    assert generator.send("sent") == ("sent", False)
    with pytest.raises(StopIteration, match="end"):
        next(generator)


def test_an_error_thrown_into_a_decorated_generator_arrives_in_its_body(x):
    @tg.no_grad()
    def steps():
        try:
            yield 1
        except KeyError:
            yield (x * 2).requires_grad

    generator = steps()
    next(generator)
    assert generator.throw(KeyError()) is False


def test_a_decorated_generator_that_is_closed_cleans_up_at_once():
    log = []

    @tg.no_grad()
    def steps():
        try:
            yield 1
        finally:
            log.append(tg.is_grad_enabled())

    generator = steps()
    next(generator)
    generator.close()
    assert log == [False]


def test_the_mode_belongs_to_the_thread(x):
    inside, go_on, seen = threading.Event(), threading.Event(), []

    def other():
        with tg.no_grad():
            inside.set()
            go_on.wait(10)
            seen.append((x * 2).requires_grad)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    assert tg.is_grad_enabled()
    y = x * 2  # on the slower path: some thread does not record
    go_on.set()
    thread.join()
    assert y.requires_grad
    assert seen == [False]


def test_a_new_thread_records_whatever_its_parents_mode():
    seen = []
    with tg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(tg.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_the_mode_belongs_to_the_asyncio_task(x):
    async def quiet(ready, go_on):
        with tg.no_grad():
            ready.set()
            await go_on.wait()
            return (x * 2).requires_grad

    async def main():
        ready, go_on = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(quiet(ready, go_on))
        await ready.wait()
        here = (x * 2).requires_grad
        go_on.set()
        return here, await task

    assert asyncio.run(main()) == (True, False)


def test_backward_works_inside_no_grad(x):
    y = (x * x).sum()
    with tg.no_grad():
        (dx,) = tg.grad(y, x, create_graph=True)
    assert dx.requires_grad
    assert tg.grad(dx.sum(), x)[0].tolist() == [2, 2]


def test_inference_mode_is_no_grad():
    x = tg.ones(2, requires_grad=True)
    with tg.inference_mode():
        assert not (x * 2).requires_grad
        with tg.inference_mode(False):
            assert not tg.is_grad_enabled()
    with tg.inference_mode(False):
        assert (x * 2).requires_grad

    @tg.inference_mode
    def doubled():
        return x * 2

    @tg.inference_mode()
    def tripled():
        return x * 3

    assert not doubled().requires_grad
    assert not tripled().requires_grad
    assert tg.is_grad_enabled()
