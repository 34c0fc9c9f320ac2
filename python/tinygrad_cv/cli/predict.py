"""``tinygrad-cv predict``: what a trained network sees in image files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor


def predict(
    out: Annotated[Path, typer.Argument(help="Folder that `tinygrad-cv train` wrote.")],
    images: Annotated[list[Path], typer.Argument(help="Image files (PNG, JPEG, …).")],
) -> None:
    """Print the label that a trained network gives each image, and its five highest probabilities.

    A photographed digit is turned to grey, inverted when its ground is light, cropped and centred
    by mass, as the images that the network learned from were.

    Example: tinygrad-cv predict runs/lenet-digits three.png seven.jpg
    """
    from tinygrad_cv.training import load_run

    model, description = load_run(out)
    prepared = [_prepared(path, description) for path in images]
    for path, image in zip(images, prepared, strict=True):
        typer.echo(f"{path}: {_line(model, image, description['classes'])}")


def _prepared(path: Path, description: dict[str, Any]) -> Tensor:
    """An image file as a batch of one, as the network expects it."""
    import tinygrad_cv as tg
    from tinygrad_cv.data.digit_image import digit_image
    from tinygrad_cv.data.image_file import load_image

    shape, transform = description["shape"], description["transform"]
    if shape != (1, 28, 28):
        raise ValueError(f"predict: only networks for 1 x 28 x 28 digits, this one takes {shape}")
    digit = digit_image(load_image(path)).reshape(1, *shape)
    return tg.from_numpy(digit if transform is None else transform(digit))


def _line(model: Any, image: Tensor, classes: list[str]) -> str:
    from tinygrad_cv import functional as F
    from tinygrad_cv.engine.grad_mode import no_grad

    with no_grad():
        chances = F.softmax(model(image), dim=1).numpy()[0]
    best = chances.argsort()[::-1][:5]
    return (
        f"{classes[best[0]]}  ({', '.join(f'{classes[k]} {100 * chances[k]:.2f} %' for k in best)})"
    )
