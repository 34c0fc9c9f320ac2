"""``tinygrad-cv evaluate``: how good a trained network is, class by class, and where it errs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tinygrad_cv.data import ImageDataset
    from tinygrad_cv.nn import Module


class Trained(NamedTuple):
    """A trained network, what its run kept of it, and the test images that it has not seen."""

    model: Module
    description: dict[str, Any]
    name: str  # of the data set
    test: ImageDataset


def evaluate(
    out: Annotated[Path, typer.Argument(help="Folder that `tinygrad-cv train` wrote.")],
    data: Annotated[
        str | None,
        typer.Option(help="Another data set of the same classes.", show_default="the run's own"),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder with the data set's files, instead of the download.")
    ] = None,
) -> None:
    """Print accuracy on the test images and a table of the classes.

    Draws confusion.png, and mistakes.png with the mistakes that the network is surest of, into the
    folder.

    Example: tinygrad-cv evaluate runs/lenet-digits
    """
    import tinygrad_cv as tg

    trained = load(out, data, data_root)
    classes = trained.description["classes"]
    said = tg.viz.predictions(trained.model, tg.data.DataLoader(trained.test, 500))
    counts = said.confusion()
    folder = out if out.is_dir() else out.parent
    typer.echo("\n".join(table(counts, classes)))
    typer.echo(
        f"test accuracy {100 * counts.trace() / counts.sum():.2f} % ({counts.sum():,} images)"
    )
    tg.viz.draw_confusion(counts, classes, folder / "confusion.png")
    typer.echo(f"confusion  {folder / 'confusion.png'}")
    if len(tg.viz.draw_mistakes(said, trained.test.images, classes, folder / "mistakes.png")):
        typer.echo(f"mistakes   {folder / 'mistakes.png'}")


def load(out: Path, data: str | None = None, data_root: Path | None = None) -> Trained:
    """The network of a run, and its data set's test images as it takes them.

    Raises
    ------
    ValueError
        A run that does not say its data, or data of other classes or shapes.
    """
    import tinygrad_cv as tg
    from tinygrad_cv.training import load_run

    model, description = load_run(out)
    source = description["data"]
    if data is not None:
        source = {"name": data, "root": data_root, "seed": (source or {}).get("seed", 0)}
    elif source is None:
        raise ValueError(f"{out}: the run does not say its data; give --data")
    elif data_root is not None:
        source = {**source, "root": data_root}
    on_error = source.get("on_error", "raise")
    _, test = tg.data.named(
        source["name"], source["root"], seed=source["seed"], stream=True, on_error=on_error
    )
    if isinstance(test, tg.data.ImageFolder):
        test = test.in_memory()  # its training images may fill more than the memory
    found = test.shape, [str(name) for name in test.classes]
    if found != (description["shape"], description["classes"]):
        raise ValueError(
            f"--data: {source['name']} has images {found[0]} of {len(found[1])} classes, but the "
            f"network is for {description['shape']} and {len(description['classes'])}, or classes of "
            "other names"
        )
    test.transform = description["transform"]
    return Trained(model, description, Path(source["name"]).name, test)


def rows(counts: NDArray[Any], classes: Sequence[str]) -> list[tuple[str, int, float, float]]:
    """For each class its name, images, recall and precision; NaN where there is none."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        right = counts.diagonal()
        recall, precision = right / counts.sum(axis=1), right / counts.sum(axis=0)
    return [
        (name, int(counts[i].sum()), float(recall[i]), float(precision[i]))
        for i, name in enumerate(classes)
    ]


def table(counts: NDArray[Any], classes: Sequence[str]) -> list[str]:
    """The rows as lines of text."""
    width = max(5, *(len(name) for name in classes))
    lines = [f"{'class':{width}s}  images  recall %  precision %"]
    lines += [
        f"{name:{width}s}  {images:6,d}  {100 * recall:8.2f}  {100 * precision:11.2f}"
        for name, images, recall, precision in rows(counts, classes)
    ]
    return lines
