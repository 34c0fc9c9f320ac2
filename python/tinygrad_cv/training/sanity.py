"""The pre-flight: a network and its data tried for the usual faults before a long run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_cv import functional as F
from tinygrad_cv.engine.tensor import Tensor, wrap
from tinygrad_cv.nn.regularizers import L2
from tinygrad_cv.training import preflight
from tinygrad_cv.training.evaluation import on_device_of
from tinygrad_cv.training.keep import kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinygrad_cv.nn import Module
    from tinygrad_cv.optim import Optimizer

IMAGES = 100  # enough for every class of ten and for statistics of activations; a second at most


class Check(NamedTuple):
    """One line of the report; `passed` is None where the check could not be made."""

    name: str
    passed: bool | None
    said: str

    def __str__(self) -> str:
        word = {True: "pass", False: "FAIL", None: "skip"}[self.passed]
        return f"{word}  {self.name:22s} {self.said}"


class SanityReport(list[Check]):
    """The checks in order; printed, a line each."""

    @property
    def ok(self) -> bool:
        """Whether none failed."""
        return not self.failed

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [check.name for check in self if check.passed is False]

    def __str__(self) -> str:
        return "\n".join(str(check) for check in self)


def sanity(
    model: Module,
    data: Any,
    *,
    loss: Callable[..., Tensor] = F.cross_entropy,
    optimizer: Optimizer | None = None,
    regularizer: Callable[[Module], Tensor] | None = None,
    initial_loss: float | None = None,
    seed: int = 0,
) -> SanityReport:
    """Try a fresh network and its data for the usual faults; nothing of either is changed.

    Parameters
    ----------
    model : Module
        With its starting weights, as training would begin with.
    data : data set, DataLoader or (images, labels)
        100 images of a data set, drawn by the seed; of a loader, its first batch.
    loss : callable
        ``loss(scores, labels)``.
    optimizer : Optimizer, optional
        The one of the run, whose steps are measured; default Adam with lr 0.001.
    regularizer : callable, optional
        The one of the run; default L2(0.001).
    initial_loss : float, optional
        What a network that knows nothing should lose; default ln K for `cross_entropy`, and for other
        losses no check.
    seed : int
        Draws the images and the directions of the gradient check.

    Returns
    -------
    SanityReport
        ``report.ok``, ``report.failed``; printed, a line for each check.

    Notes
    -----
    The checks, in order: "labels" are classes; "data scale" is near 1; "softmax once", that is, the scores
    are no probabilities; "initial loss" is near ln K, within a factor of 2; "regularization" raises it;
    "gradients" of every parameter and of the images agree with central differences, in float64;
    "activations" neither fade nor explode; "dead relus" are fewer than half in each layer; "update
    ratio" of the weights is within a factor of 50 of 1e-3; "overfits 20 images" to a loss below 0.1.

    References
    ----------
    CS231n notes, "Neural networks part 3", sections on gradient checks, sanity checks and babysitting
    the learning process.

    Examples
    --------
    >>> import tinygrad_cv as tg
    >>> _ = tg.manual_seed(0)
    >>> print(sanity(tg.models.LeNet5(), tg.data.digits()))  # doctest: +ELLIPSIS
    pass  labels                 100 labels of classes 0 to 9...
    """
    images, labels = next(on_device_of(model, [_some(data, seed)]))
    regularizer = L2(1e-3) if regularizer is None else regularizer
    report = SanityReport()
    with kept(model):
        model.train()
        scores = model(images).detach().cpu().numpy()
        if scores.ndim != 2:
            raise ValueError(f"sanity: model must give scores (N, K), got {scores.shape}")
        if initial_loss is None and loss is F.cross_entropy:
            initial_loss = math.log(scores.shape[1])
        report.append(Check("labels", *preflight.labels(labels.cpu().numpy(), scores.shape[1])))
        report.append(Check("data scale", *preflight.scale(images.cpu().numpy())))
        report.append(Check("softmax once", *preflight.raw_scores(scores)))
        sound = report[0].passed
    trials: list[tuple[str, Callable[[], tuple[bool | None, str]]]] = [
        ("initial loss", lambda: preflight.first_loss(model, images, labels, loss, initial_loss)),
        ("regularization", lambda: preflight.penalty(model, regularizer)),
        ("gradients", lambda: preflight.gradients(model, images[:8], labels[:8], loss, seed)),
        ("activations", lambda: preflight.activations(model, images)),
        ("dead relus", lambda: preflight.dead_relus(model, images)),
        ("update ratio", lambda: preflight.update_ratio(model, images, labels, loss, optimizer)),
        ("overfits 20 images", lambda: preflight.overfit(model, images[:20], labels[:20], loss)),
    ]
    for name, trial in trials:
        if not sound and name not in ("regularization", "activations", "dead relus"):
            report.append(Check(name, None, "the labels are wrong"))
            continue
        with kept(model):
            model.train()
            report.append(Check(name, *trial()))
    return report


def _some(data: Any, seed: int) -> tuple[Tensor, Tensor]:
    """A few images and labels of whatever was given."""
    from tinygrad_cv.data import DataLoader, Subset

    if isinstance(data, tuple) and len(data) == 2:
        images, labels = data
    elif isinstance(data, DataLoader):
        images, labels = next(iter(data))
    else:
        order = np.random.default_rng(seed).permutation(len(data))[:IMAGES]
        images, labels = next(iter(DataLoader(Subset(data, order), IMAGES)))
    images, labels = (t if isinstance(t, Tensor) else wrap(np.asarray(t)) for t in (images, labels))
    if not len(images):
        raise ValueError("sanity: no images")
    return images, labels
