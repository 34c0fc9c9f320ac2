"""What each regularizer is for, on a set so small that a network learns it by heart.

A network of two hidden layers is trained on 400 digits, a fifth of which have a wrong label, with and
without each of them, over several seeds (each draws other digits, mistakes and weights). Who learns
the mistakes by heart too has overfitted. Prints a Markdown table: accuracy and loss (nats) on the
digits that were learned and on 1,000 others, rightly labelled; the share of weights next to zero
(below a thousandth); and the longest that a unit's incoming weights are.

    python examples/regularization.py
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import NamedTuple

import numpy as np

import tinygrad_cv as tg
from tinygrad_cv import nn
from tinygrad_cv.training import Trainer, evaluate

F = tg.functional
HIDDEN = 256
IMAGES, WRONG, HELD = 400, 80, 1000
EPOCHS, BATCH = 40, 40


class Method(NamedTuple):
    """What differs from the plain run."""

    dropout: float = 0.0
    max_norm: float | None = None
    penalty: nn.regularizers.Regularizer | None = None
    label_smoothing: float = 0.0


METHODS = {
    "nothing": Method(),
    "L2, 0.05": Method(penalty=nn.regularizers.L2(0.05)),
    "L1, 0.0004": Method(penalty=nn.regularizers.L1(4e-4)),
    "elastic net, 0.0003 and 0.015": Method(penalty=nn.regularizers.ElasticNet(3e-4, 0.015)),
    "max-norm, 0.4": Method(max_norm=0.4),
    "dropout, keep 0.5": Method(dropout=0.5),
    "label smoothing, 0.2": Method(label_smoothing=0.2),
    "dropout, keep 0.5, and L2, 0.01": Method(dropout=0.5, penalty=nn.regularizers.L2(0.01)),
}


class Result(NamedTuple):
    """One run's numbers, as the table's columns."""

    train_accuracy: float
    validation_accuracy: float
    train_loss: float
    validation_loss: float
    zeros: float
    longest: float


def sets(seed: int) -> tuple[tg.data.Dataset, tg.data.Dataset]:
    """Digits to learn from, some of them wrongly labelled, and others to measure on."""
    digits = tg.data.digits(train=True)
    lengths = [IMAGES, HELD, len(digits) - IMAGES - HELD]
    learn, held, _ = tg.data.random_split(digits, lengths, tg.Generator(seed))
    images, labels = learn[:]
    rng = np.random.default_rng(seed)
    given = labels.numpy().copy()
    given[:WRONG] = (given[:WRONG] + rng.integers(1, 10, WRONG)) % 10
    return tg.data.TensorDataset(images, given), held


def run(method: Method, seed: int, epochs: int) -> Result:
    """Train on what the seed draws and measure."""
    learn, held = sets(seed)
    net = tg.models.mlp(
        [784, HIDDEN, HIDDEN, 10], dropout=method.dropout, generator=tg.Generator(seed)
    )
    optimizer = tg.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    trainer = Trainer(
        net,
        optimizer,
        partial(F.cross_entropy, label_smoothing=method.label_smoothing),
        tg.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs),
        regularizer=method.penalty,
        max_norm=method.max_norm,
    )
    batches = tg.data.DataLoader(learn, BATCH, shuffle=True, seed=seed)
    trainer.fit(batches, tg.data.DataLoader(held, HELD), epochs)
    known = evaluate(net, tg.data.DataLoader(learn, IMAGES))
    unknown = evaluate(net, tg.data.DataLoader(held, HELD))
    weights = [param.numpy() for param in net.parameters() if param.ndim > 1]
    return Result(
        known.accuracy,
        unknown.accuracy,
        known.loss,
        unknown.loss,
        float(np.mean(np.abs(np.concatenate([w.ravel() for w in weights])) < 1e-3)),
        float(max(np.linalg.norm(w, axis=1).max() for w in weights)),
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--seeds", type=int, default=5, help="runs of each, from seed 0 (5)")
    arguments.add_argument("--epochs", type=int, default=EPOCHS, help=f"of each run ({EPOCHS})")
    options = arguments.parse_args()
    print(
        "| regularizer | training accuracy | validation accuracy | training loss | validation loss "
        "| weights next to 0 | longest row |\n|---|---|---|---|---|---|---|"
    )
    for name, method in METHODS.items():
        results = [run(method, seed, options.epochs) for seed in range(options.seeds)]
        known, unknown, loss, other, zeros, longest = np.mean(results, axis=0)
        spread = np.std([result.validation_accuracy for result in results])
        print(
            f"| {name} | {100 * known:.1f} % | {100 * unknown:.1f} % (± {100 * spread:.1f}) "
            f"| {loss:.3f} | {other:.3f} | {100 * zeros:.0f} % | {longest:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
