"""LeNet on MNIST, trained here and by PyTorch in turn, an epoch each.

Both start from the same weights and take the same batches in the same order, by the same update and
schedule. Times are those of learning alone: cutting batches out of the images in memory, forward,
backward, update, and counting what was right; validation is not timed. PyTorch cuts its batches by
index out of one array, which is faster than its DataLoader.

    python benchmarks/lenet_mnist.py --epochs 50 --curves curves.png --json FILE
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import _harness as harness
import numpy as np

import tinygrad_cv as tg
from tinygrad_cv.data import DataLoader, Subset, random_split
from tinygrad_cv.training import Trainer, evaluate

VALIDATION_SHARE = 0.1


class Sets(NamedTuple):
    """The images, and which of the training images are learned from and which are held back."""

    images: Any
    test: Any
    learn: Subset
    held: Subset


class Measured(NamedTuple):
    """One epoch of one side."""

    seconds: float
    train_loss: float
    train_accuracy: float
    validation_accuracy: float


def recipe(optim: Any, params: Any, steps: int) -> tuple[Any, Any]:
    """The update and its schedule, which are called alike on both sides."""
    sgd = optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    return sgd, optim.lr_scheduler.OneCycleLR(sgd, 0.1, total_steps=steps)


class Ours:
    """The trainer, an epoch at a time."""

    name = "tinygrad_cv"

    def __init__(self, sets: Sets, batch: int, epochs: int, seed: int) -> None:
        self.sets = sets
        self.model = tg.models.LeNet5(generator=tg.Generator(seed))
        self.batches = DataLoader(sets.learn, batch, shuffle=True, seed=seed)
        steps = epochs * len(self.batches)
        update, schedule = recipe(tg.optim, self.model.parameters(), steps)
        self.trainer = Trainer(self.model, update, schedule=schedule, schedule_unit="step")

    def epoch(self) -> Measured:
        row = self.trainer.fit(self.batches, DataLoader(self.sets.held, 500), 1)[-1]
        return Measured(row.seconds, row.train_loss, row.train_accuracy, row.validation_accuracy)

    def test_accuracy(self) -> float:
        return evaluate(self.model, DataLoader(self.sets.test, 500)).accuracy


class Theirs:
    """The same in PyTorch."""

    name = "PyTorch"

    def __init__(
        self, torch: Any, sets: Sets, batch: int, epochs: int, seed: int, start: Any
    ) -> None:
        self.torch, self.sets, self.batch = torch, sets, batch
        nn = torch.nn
        layers = [
            ("conv1", nn.Conv2d(1, 6, 5, padding=2)), ("relu1", nn.ReLU()),
            ("pool1", nn.MaxPool2d(2)),
            ("conv2", nn.Conv2d(6, 16, 5)), ("relu2", nn.ReLU()), ("pool2", nn.MaxPool2d(2)),
            ("flatten", nn.Flatten()),
            ("fc1", nn.Linear(400, 120)), ("relu3", nn.ReLU()),
            ("fc2", nn.Linear(120, 84)), ("relu4", nn.ReLU()), ("fc3", nn.Linear(84, 10)),
        ]  # fmt: skip
        self.model = nn.Sequential()
        for name, layer in layers:
            self.model.add_module(name, layer)
        self.model.load_state_dict({k: torch.tensor(v.numpy()) for k, v in start.items()})
        self.images = torch.from_numpy(sets.images.images)
        self.labels = torch.from_numpy(sets.images.labels)
        self.order = np.random.default_rng(seed)  # what a Generator of that seed draws
        count = -(-len(sets.learn) // batch)
        self.update, self.schedule = recipe(torch.optim, self.model.parameters(), epochs * count)

    def epoch(self) -> Measured:
        torch, cross_entropy = self.torch, self.torch.nn.functional.cross_entropy
        t0 = time.perf_counter()
        self.model.train()
        order = torch.from_numpy(
            self.sets.learn.indices[self.order.permutation(len(self.sets.learn))]
        )
        total, right = 0.0, 0
        for rows in order.split(self.batch):
            images, labels = self.images[rows].float().div_(255), self.labels[rows]
            scores = self.model(images)
            loss = cross_entropy(scores, labels)
            total += loss.item() * len(labels)
            right += int((scores.argmax(1) == labels).sum())
            self.update.zero_grad()
            loss.backward()
            self.update.step()
            self.schedule.step()
        seconds = time.perf_counter() - t0
        held = self._accuracy(self.sets.images, self.sets.held.indices)
        return Measured(seconds, total / len(order), right / len(order), held)

    def test_accuracy(self) -> float:
        return self._accuracy(self.sets.test, np.arange(len(self.sets.test)))

    def _accuracy(self, data: Any, rows: Any) -> float:
        torch = self.torch
        self.model.eval()
        right = 0
        with torch.no_grad():
            for part in np.array_split(rows, max(1, len(rows) // 500)):
                images = torch.from_numpy(data.images[part]).float().div_(255)
                labels = torch.from_numpy(data.labels[part])
                right += int((self.model(images).argmax(1) == labels).sum())
        return right / len(rows)


def main() -> None:
    arguments = harness.parser(__doc__ or "")
    arguments.add_argument("--epochs", type=int, default=50, help="of each side (50)")
    arguments.add_argument("--batch-size", type=int, default=250, help="images a step (250)")
    arguments.add_argument("--images", type=int, help="learn from so many only, for a quick look")
    arguments.add_argument("--seed", type=int, default=0, help="weights, split and order (0)")
    arguments.add_argument("--data", default="mnist", help="mnist, or digits for a quick look")
    arguments.add_argument("--data-root", type=Path, help="folder of MNIST's files")
    arguments.add_argument("--curves", type=Path, help="draw loss and accuracy there")
    options = arguments.parse_args()
    options.rounds = options.epochs
    torch = harness.start(options)
    images, test = tg.data.named(options.data, options.data_root)
    learn, held = random_split(
        images, [1 - VALIDATION_SHARE, VALIDATION_SHARE], tg.Generator(options.seed)
    )
    if options.images is not None:
        learn = Subset(images, learn.indices[: options.images])
    sets = Sets(images, test, learn, held)
    shared = (sets, options.batch_size, options.epochs, options.seed)
    sides: list[Any] = [Ours(*shared)]
    if torch is not None:
        start = {k: v.clone() for k, v in sides[0].model.state_dict().items()}
        sides.append(Theirs(torch, *shared, start))
    epochs: dict[str, list[Measured]] = {side.name: [] for side in sides}
    for number in range(1, options.epochs + 1):
        for side in sides:
            measured = side.epoch()
            epochs[side.name].append(measured)
            print(
                f"epoch {number:3d}  {side.name:12s} loss {measured.train_loss:.4f}  "
                f"training {100 * measured.train_accuracy:.2f} %  "
                f"validation {100 * measured.validation_accuracy:.2f} %  {measured.seconds:.2f} s",
                flush=True,
            )
    rows = [
        {
            "name": side.name,
            "test_accuracy": 100 * side.test_accuracy(),
            "training_s": sum(m.seconds for m in epochs[side.name]),
            "epochs": [list(m) for m in epochs[side.name]],
        }
        for side in sides
    ]
    for row in rows:
        print(
            f"{row['name']:12s} test accuracy {row['test_accuracy']:.2f} %, training "
            f"{row['training_s']:.1f} s ({row['training_s'] / options.epochs:.2f} s an epoch)"
        )
    if torch is not None:
        ours, theirs = (row["training_s"] for row in rows)
        each = [
            b.seconds / a.seconds
            for a, b in zip(epochs["tinygrad_cv"], epochs["PyTorch"], strict=True)
        ]
        print(
            f"PyTorch's time over ours: {theirs / ours:.2f} in all, "
            f"{harness.median(each):.2f} the median epoch"
        )
    if options.curves:
        from tinygrad_cv.viz import draw_curves

        draw_curves(sides[0].trainer.history, options.curves, "LeNet on MNIST")
        print(f"wrote {options.curves}")
    if options.json:
        harness.write_json(options, "lenet", rows, torch)


if __name__ == "__main__":
    main()
