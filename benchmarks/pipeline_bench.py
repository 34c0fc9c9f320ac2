"""Time what the input pipeline adds to a training step: cutting, augmenting and handing over batches.

Each row is a network with its usual augmentation. An epoch of steps runs on batches that lie ready
(the bare step), on batches cut by a DataLoader, and on augmented ones, prepared between the steps
(inline), by one worker and by two, in turn. "alone" is the time of augmenting a batch by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import _harness as harness
import numpy as np
from _networks import convnet, lenet
from _tables import added

import tinygrad_cv as tg
from tinygrad_cv.data.augment import SampleRandom, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Pipeline(NamedTuple):
    """A network, its batch, the shape of an image, what is done to it, and the steps of an epoch."""

    name: str
    build: Callable[[Any], Any]
    batch: int
    image: tuple[int, int, int]
    augment: str
    steps: int


PIPELINES = [
    Pipeline("lenet", lenet, 250, (1, 28, 28), "affine:10", 40),
    Pipeline("lenet", lenet, 50, (1, 28, 28), "affine:10", 120),
    Pipeline("convnet", convnet, 64, (3, 32, 32), "crop:4,flip", 6),
]


def contestants(pipeline: Pipeline) -> dict[str, Callable[[], float]]:
    """An epoch of steps on each kind of batches; they share the network."""
    rng = np.random.default_rng(0)
    count = pipeline.batch * pipeline.steps
    pixels = rng.integers(0, 256, (count, *pipeline.image)).astype(np.uint8)
    images = tg.data.ImageDataset(pixels, rng.integers(0, 10, count), [str(i) for i in range(10)])
    tg.manual_seed(0)
    model = pipeline.build(tg.nn)
    sgd = tg.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    changes = named(pipeline.augment, pipeline.image[1:], 10)

    def epoch(batches: Iterable[Any]) -> float:
        value = 0.0
        for inputs, labels in batches:
            loss = tg.functional.cross_entropy(model(inputs), labels)
            value = loss.item()
            sgd.zero_grad()
            loss.backward()
            sgd.step()
        return value

    def loader(**options: Any) -> Any:
        return tg.data.DataLoader(images, pipeline.batch, shuffle=True, seed=0, **options)

    ready = list(loader())
    return {
        "bare": lambda: epoch(ready),
        "cut": lambda: epoch(loader()),
        "inline": lambda: epoch(loader(augment=changes)),
        "workers1": lambda: epoch(loader(num_workers=1, augment=changes)),
        "workers2": lambda: epoch(loader(num_workers=2, augment=changes)),
    }


def alone(pipeline: Pipeline, rounds: int) -> list[float]:
    """Seconds that augmenting a batch takes by itself."""
    images = np.random.default_rng(0).random((pipeline.batch, *pipeline.image), np.float32)
    changes = named(pipeline.augment, pipeline.image[1:], 10)
    random = SampleRandom(0, np.arange(pipeline.batch))
    return harness.interleave({"alone": lambda: changes(images, random)}, rounds)["alone"]


def measured(pipeline: Pipeline, rounds: int) -> dict[str, Any]:
    """Microseconds a step of every round, and of augmenting a batch."""
    row: dict[str, Any] = {
        "name": pipeline.name, "batch": pipeline.batch, "augment": pipeline.augment,
        "steps": pipeline.steps,
    }  # fmt: skip
    for side, seconds in harness.interleave(contestants(pipeline), rounds).items():
        row[f"{side}_us"] = [round(1e6 * t / pipeline.steps, 3) for t in seconds]
    row["alone_us"] = [round(1e6 * t, 3) for t in alone(pipeline, rounds)]
    return row


def show(row: dict[str, Any]) -> None:
    bare = harness.median(row["bare_us"])
    line = f"{row['name']}, batch {row['batch']}, {row['augment']}: step {bare:.0f} us"
    for side in ("cut", "inline", "workers1", "workers2"):
        line += f", {side} {100 * added(row, side):+.1f} %"
    print(f"{line}; augmenting alone {harness.median(row['alone_us']):.0f} us", flush=True)


def main() -> None:
    options = harness.parser(__doc__ or "").parse_args()
    options.no_torch = True
    pipelines = PIPELINES
    if options.quick:
        options.rounds, pipelines = min(options.rounds, 3), PIPELINES[1:2]
    harness.start(options)
    rows = []
    for pipeline in pipelines:
        rows.append(measured(pipeline, options.rounds))
        show(rows[-1])
    if options.json:
        harness.write_json(options, "pipeline", rows, None)


if __name__ == "__main__":
    main()
