"""The checks of `sanity`, each by itself: whether it passed, and what was seen.

They may train and change the model; the caller gives it back as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv import nn, optim
from tinygrad_cv.engine.grad_mode import no_grad
from tinygrad_cv.engine.random import default_generator
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.training.evaluation import hits
from tinygrad_cv.training.state import generators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tinygrad_cv.nn import Module
    from tinygrad_cv.optim import Optimizer

    Loss = Callable[..., Tensor]
    Outcome = tuple[bool | None, str]

STEPS = 300  # within which 20 images are learned by heart; LeNet takes 30
NUDGE = 1e-2  # by which parameters and pixels are moved for the check of gradients
RATIO = 1e-3  # what an update should be of a weight, by the classical rule of thumb
DROPOUTS = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "StochasticDepth")


def labels(given: NDArray[Any], classes: int) -> Outcome:
    """Labels must be whole numbers, or probabilities, of the classes that there are scores for."""
    if given.dtype.kind == "f" and given.ndim == 2:
        good = given.shape[1] == classes and bool(np.allclose(given.sum(axis=1), 1, atol=1e-4))
        return good, f"probabilities of {given.shape[1]} classes, scores of {classes}"
    if given.dtype.kind not in "iu" or given.ndim != 1:
        return False, f"expected whole numbers (N,), got {given.dtype} {given.shape}"
    low, high = int(given.min()), int(given.max())
    if low < 0 or high >= classes:
        return (
            False,
            f"labels are {low} to {high} but there are scores for classes 0 to {classes - 1}",
        )
    if low == high and len(given) > 10:
        return False, f"all {len(given)} labels are {low}; is the data shuffled?"
    return True, f"{len(given)} labels of classes {low} to {high}, scores for {classes}"


def scale(images: NDArray[Any]) -> Outcome:
    """Values must be finite, and neither all alike nor far from 1 in size."""
    if images.dtype.kind != "f":
        return False, f"images are {images.dtype}; networks take floats"
    if not np.isfinite(images).all():
        return False, "the images hold NaN or infinity"
    mean, std = float(images.mean()), float(images.std())
    said = f"mean {mean:.3g}, deviation {std:.3g}"
    if std < 1e-2:
        return False, f"{said}: nearly all alike"
    if std > 5 or abs(mean) > 5:
        return False, f"{said}: divide by 255, or subtract the mean and divide by the deviation"
    return True, said


def raw_scores(scores: NDArray[Any]) -> Outcome:
    """What goes into a softmax loss must not be probabilities already."""
    sums = scores.sum(axis=1)
    if scores.shape[1] > 1 and (scores >= 0).all() and np.allclose(sums, 1, atol=1e-3):
        return False, "the scores are probabilities; the loss takes them before the softmax"
    return True, f"scores from {scores.min():.3g} to {scores.max():.3g}"


@no_grad()
def first_loss(
    model: Module, images: Tensor, given: Tensor, loss: Loss, expected: float | None
) -> Outcome:
    """A network that knows nothing should lose what guessing loses."""
    no_dropout(model)
    value = loss(model(images), given).item()
    if expected is None:
        return bool(np.isfinite(value)), f"{value:.3f}; what to expect of this loss was not said"
    said = f"{value:.3f}, expected near {expected:.3f}"
    return expected / 2 <= value <= expected * 2, said


@no_grad()
def penalty(model: Module, regularizer: Callable[[Module], Tensor]) -> Outcome:
    """A penalty must add to the loss."""
    value = float(regularizer(model).item())
    return value > 0, f"adds {value:.3g} to the loss"


def gradients(model: Module, images: Tensor, given: Tensor, loss: Loss, seed: int) -> Outcome:
    """Along a random direction of each parameter and of the images, and along the gradient itself.

    There the derivative must be what central differences give.
    """
    rng = np.random.default_rng(seed)

    def beside(array: Any) -> Any:
        # Biases start at 0 and so do many pixels: exactly at the kinks of relu and max.
        return array + NUDGE * drawn(array)

    def drawn(like: Any) -> Any:
        return np.asarray(rng.standard_normal(like.shape), like=like)

    pixels = wrap(beside(images.array.astype(np.float64)))
    pixels.requires_grad_(True)
    named: list[tuple[str, Tensor]] = [
        *((n, p) for n, p in model.named_parameters() if p.requires_grad),
        ("the images", pixels),
    ]
    for tensor in model.buffers():
        if tensor.array.dtype.kind == "f":
            tensor.array = tensor.array.astype(np.float64)
    for tensor in model.parameters():
        tensor.array, tensor.grad = beside(tensor.array.astype(np.float64)), None
    sources = [default_generator, *(g for _, g in generators(model))]
    states = [source.get_state() for source in sources]

    def value() -> Tensor:
        for source, state in zip(sources, states, strict=True):
            source.set_state(state)  # the same units are dropped each time
        return loss(model(pixels), given)

    value().backward()
    worst, where = 0.0, "the images"
    for name, tensor in named:
        if tensor.grad is None:
            return False, f"{name} gets no gradient"
        grad = tensor.grad.array
        for direction in (drawn(grad), grad):
            error = _error(value, tensor, grad, direction)
            if error > worst:
                worst, where = error, name
    said = f"worst relative error {worst:.1e}, of {where}, over {len(named)} gradients"
    return worst < 1e-3, said


def _error(value: Callable[[], Tensor], tensor: Tensor, grad: Any, direction: Any) -> float:
    """Relative error of the derivative along a direction; the gradient's length sets the scale."""
    length = float(np.linalg.norm(grad))
    direction = direction / max(float(np.linalg.norm(direction)), 1e-12)
    analytic = float((grad * direction).sum())
    # A step may cross a kink; a shorter one crosses fewer.
    return min(
        abs(_slope(value, tensor, direction, h) - analytic)
        / max(abs(analytic), length * 1e-2, 1e-7)
        for h in (1e-5, 1e-6, 1e-7)
    )


@no_grad()
def _slope(value: Callable[[], Tensor], tensor: Tensor, direction: Any, h: float) -> float:
    start = tensor.array
    try:
        tensor.array = start + h * direction
        above = value().item()
        tensor.array = start - h * direction
        return float(above - value().item()) / (2 * h)
    finally:
        tensor.array = start


def no_dropout(model: Module) -> None:
    """Let nothing be dropped, while normalisation goes on as in training."""
    for module in model.modules():
        if type(module).__name__ in DROPOUTS:
            module.training = False


def activations(model: Module, images: Tensor) -> Outcome:
    """What a unit gives must differ from image to image, in every layer, and not explode."""
    spreads: list[tuple[str, float]] = []

    def weighs(module: Module) -> bool:
        return any(p.ndim > 1 for p in module.parameters(recurse=False))

    for name, _, output in _outputs(model, images, weighs):
        units = output.std(axis=(0, *range(2, output.ndim)))
        spreads.append((name, float(np.sqrt((units**2).mean()))))
    if not spreads:
        return None, "no layer with weights was seen"
    low, high = (pick(spreads, key=lambda s: s[1]) for pick in (min, max))
    said = f"deviations from {low[1]:.2g} ({low[0]}) to {high[1]:.2g} ({high[0]})"
    return bool(low[1] >= 0.01 and high[1] <= 100), said


def dead_relus(model: Module, images: Tensor) -> Outcome:
    """Units that are 0 for every image learn nothing; in no ReLU layer may they be half."""
    worst, where, seen = 0.0, "", 0
    for name, _, output in _outputs(model, images, lambda m: isinstance(m, (nn.ReLU, nn.ReLU6))):
        axes = (0, *range(2, output.ndim))
        dead = float((output.max(axis=axes) <= 0).mean())
        seen += 1
        if dead >= worst:
            worst, where = dead, name
    if not seen:
        return None, "no ReLU layer was seen"
    return worst <= 0.5, f"at most {100 * worst:.0f} % of a layer's units ({where})"


@no_grad()
def _outputs(
    model: Module, images: Tensor, wanted: Callable[[Module], bool]
) -> Iterator[tuple[str, Module, NDArray[Any]]]:
    """What the wanted layers give for the images, by name."""
    found: list[tuple[str, Module, NDArray[Any]]] = []

    def watch(name: str) -> Callable[..., None]:
        def hook(module: Module, _inputs: Any, output: Any) -> None:
            found.append((name, module, output.cpu().numpy().copy()))

        return hook

    handles = [
        module.register_forward_hook(watch(name or "the model"))
        for name, module in model.named_modules()
        if wanted(module)
    ]
    try:
        model(images)
    finally:
        for handle in handles:
            handle.remove()
    return iter(found)


def update_ratio(
    model: Module, images: Tensor, given: Tensor, loss: Loss, optimizer: Optimizer | None
) -> Outcome:
    """Ten steps of the run's optimizer; the last one's updates in relation to the weights."""
    if not any(p.requires_grad for p in model.parameters()):
        return None, "no weights are learned"
    if optimizer is None:
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
    own = {id(p) for p in model.parameters()}
    strangers = [p for g in optimizer.param_groups for p in g["params"] if id(p) not in own]
    if strangers:
        return False, "the optimizer holds parameters that are not this model's"
    # Loading replaces the state's arrays, so the run's own stay untouched meanwhile.
    before = optimizer.state_dict()
    optimizer.load_state_dict(before)
    try:
        for _ in range(9):
            _learn(model, images, given, loss, optimizer)
        weights = [(n, p) for n, p in model.named_parameters() if p.ndim > 1 and p.requires_grad]
        old = [p.array.copy() for _, p in weights]
        _learn(model, images, given, loss, optimizer)
    finally:
        optimizer.load_state_dict(before)
    ratios = [
        float(np.linalg.norm(p.array - w) / max(float(np.linalg.norm(w)), 1e-12))
        for (_, p), w in zip(weights, old, strict=True)
    ]
    if not ratios:
        return None, "no weights are learned"
    middle = float(np.median(ratios))
    said = f"median over layers {middle:.1e}, from {min(ratios):.1e} to {max(ratios):.1e}"
    return bool(RATIO / 50 <= middle <= RATIO * 50), said


def _learn(
    model: Module, images: Tensor, given: Tensor, loss: Loss, optimizer: Optimizer
) -> tuple[Tensor, float]:
    scores = model(images)
    value = loss(scores, given)
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    return scores, value.item()


def overfit(model: Module, images: Tensor, given: Tensor, loss: Loss) -> Outcome:
    """A sound network learns a few images by heart; without dropout, which is there to hinder it."""
    no_dropout(model)
    learned = [p for p in model.parameters() if p.requires_grad]
    if not learned:
        return False, "no parameter is learned: all have requires_grad=False"
    adam = optim.Adam(learned, lr=3e-3)
    value, right = np.inf, 0
    for step in range(1, STEPS + 1):
        scores, value = _learn(model, images, given, loss, adam)
        right = hits(scores, given)
        if not np.isfinite(value):
            return False, f"the loss is {value} after {step} steps"
        if right == len(images) and value < 0.1:
            return True, f"loss {value:.3f} after {step} steps"
    return False, f"loss {value:.3f} and {right} of {len(images)} right after {STEPS} steps"
