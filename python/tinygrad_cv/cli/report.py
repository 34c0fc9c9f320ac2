"""``tinygrad-cv report``: one page about a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

SHOWN = 5  # images that are explained
MEASURED = 500  # images of robustness and of the last layer's map


def report(
    out: Annotated[Path, typer.Argument(help="Folder that `tinygrad-cv train` wrote.")],
    data: Annotated[
        str | None,
        typer.Option(help="Another data set of the same classes.", show_default="the run's own"),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder with the data set's files, instead of the download.")
    ] = None,
) -> None:
    """Write report.html: curves, classes, mistakes, what the network looks at, what it withstands.

    The page is one file that needs nothing else: pictures are inside, there are no scripts.

    Example: tinygrad-cv report runs/lenet-digits
    """
    from tinygrad_cv.cli.evaluate import load
    from tinygrad_cv.viz.page import Page

    trained = load(out, data, data_root)
    folder = out if out.is_dir() else out.parent
    page = Page(f"{trained.description['architecture']} on {trained.name}")
    _summary(page, folder, trained)
    _classes(page, trained)
    _inside(page, trained)
    _limits(page, trained)
    page.write(folder / "report.html")
    typer.echo(f"report  {folder / 'report.html'}")


def _summary(page: Any, folder: Path, trained: Any) -> None:
    """What it is, and how it was trained."""
    from tinygrad_cv.training import History
    from tinygrad_cv.training.run import HISTORY
    from tinygrad_cv.viz import draw_curves

    count = sum(p.numel() for p in trained.model.parameters())
    channels, *size = trained.description["shape"]
    page.table(
        "The network",
        ("what", "value"),
        [
            ("layers", trained.description["architecture"]),
            ("parameters", f"{count:,}"),
            ("images", f"{size[0]} x {size[1]}, {channels} channel{'s' if channels > 1 else ''}"),
            ("classes", f"{len(trained.description['classes'])}"),
        ],
    )
    if (folder / HISTORY).exists():
        history = History.read_csv(folder / HISTORY)
        if history:
            page.picture(
                "Training",
                lambda path: draw_curves(history, path),
                f"Loss and accuracy of training and validation over {len(history)} epochs; the last "
                f"validation accuracy is {100 * history[-1].validation_accuracy:.2f} %.",
            )


def _classes(page: Any, trained: Any) -> None:
    """Accuracy, class by class, and the mistakes."""
    import tinygrad_cv as tg
    from tinygrad_cv import viz
    from tinygrad_cv.cli.evaluate import rows

    names = trained.description["classes"]
    said = viz.predictions(trained.model, tg.data.DataLoader(trained.test, 500))
    counts = said.confusion()
    accuracy = 100 * counts.trace() / counts.sum()
    page.table(
        f"Test accuracy {accuracy:.2f} %, {counts.sum():,} images",
        ("class", "images", "recall %", "precision %"),
        [
            (name, f"{count:,}", f"{100 * recall:.2f}", f"{100 * precision:.2f}")
            for name, count, recall, precision in rows(counts, names)
        ],
    )
    page.picture(
        "Confusion",
        lambda path: viz.draw_confusion(counts, names, path),
        "Confusion matrix: true classes in rows, predicted ones in columns.",
    )
    if len(said.mistakes()):
        page.picture(
            "Surest mistakes",
            lambda path: viz.draw_mistakes(said, trained.test.images, names, path),
            f"The test images that the network is surest of while wrong, of {len(said.mistakes()):,}.",
        )


def _inside(page: Any, trained: Any) -> None:
    """Filters, maps, and what scores depend on."""
    import numpy as np

    from tinygrad_cv import nn, viz

    model, test = trained.model, trained.test
    some = np.linspace(0, len(test) - 1, min(SHOWN, len(test))).astype(int)
    images, labels = test[some]
    names = trained.description["classes"]
    if any(isinstance(module, nn.Conv2d) for module in model.modules()):
        page.picture(
            "Filters of the first convolution",
            lambda path: viz.draw_filters(model, path),
            "Each filter from its smallest weight, black, to its largest, white.",
        )
        page.picture(
            "What the first convolution makes of an image",
            lambda path: viz.draw_activations(model, images[:1], path),
            "A test image, and the map that each filter makes of it.",
        )
        page.picture(
            "What the network looks at",
            lambda path: viz.draw_explanations(model, images, labels, names, path),
            "Test images with saliency, Grad-CAM and occlusion map of the likeliest class.",
        )
    spread = np.linspace(0, len(test) - 1, min(MEASURED, len(test))).astype(int)
    images, labels = test[spread]
    page.picture(
        "The last layer",
        lambda path: viz.draw_embedding(viz.last_features(model, images), labels, names, path),
        "What goes into the last layer, in the two directions of largest variance, by class.",
    )


def _limits(page: Any, trained: Any) -> None:
    """What it withstands, and the loss around it."""
    from tinygrad_cv import viz
    from tinygrad_cv.training import robustness

    curves = robustness(trained.model, trained.test, images=MEASURED)
    page.picture(
        "Robustness",
        lambda path: viz.draw_robustness(curves, path),
        "Accuracy against growing change of the images; the band is the deviation over the classes.",
    )
    page.table(
        "Robustness in numbers, accuracy %",
        ("change", "unit", "none", *(f"level {i}" for i in range(1, 5))),
        [
            (name, curve.unit, *(f"{100 * accuracy:.1f}" for accuracy in curve.accuracy))
            for name, curve in curves.items()
        ],
    )
    landscape = viz.loss_landscape(trained.model, trained.test[:200], points=15)
    page.picture(
        "The loss around the weights",
        landscape.draw,
        "Loss of 200 test images on a plane through the weights, from above and as a surface.",
    )
