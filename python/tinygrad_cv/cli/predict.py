"""``tinygrad-cv predict``: what a trained network sees in image files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tinygrad_cv.engine.tensor import Tensor

DIGITS = (1, 28, 28), list("0123456789")


def predict(
    out: Annotated[Path, typer.Argument(help="Folder that `tinygrad-cv train` wrote.")],
    images: Annotated[list[Path], typer.Argument(help="Image files (PNG, JPEG, …).")],
) -> None:
    """Print the label that a trained network gives each image, and its five highest probabilities.

    For a network of 28 x 28 digits, a photographed digit is turned to grey, inverted when its ground
    is light, cropped and centred by mass, as the images that it learned from were. For others, images
    are brought to the size and colours that it learned from.

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
    if (shape, description["classes"]) == DIGITS:
        pixels = digit_image(load_image(path)).reshape(1, *shape)
    else:
        pixels = _resized(load_image(path, shape[0]), shape[1:])
    return tg.from_numpy(pixels if transform is None else transform(pixels))


def _resized(image: Any, size: tuple[int, int]) -> Any:
    """Bytes as floats in [0, 1], (1, C, *size): means of what falls into a pixel, or between pixels."""
    import tinygrad_cv as tg

    smaller = all(side >= wanted for side, wanted in zip(image.shape[1:], size, strict=True))
    given = tg.tensor(image[None] / 255, dtype=tg.float32)
    return tg.functional.interpolate(given, size, mode="area" if smaller else "bilinear").numpy()


def _line(model: Any, image: Tensor, classes: list[str]) -> str:
    from tinygrad_cv import functional as F
    from tinygrad_cv.engine.grad_mode import no_grad

    with no_grad():
        chances = F.softmax(model(image), dim=1).numpy()[0]
    best = chances.argsort()[::-1][:5]
    return (
        f"{classes[best[0]]}  ({', '.join(f'{classes[k]} {100 * chances[k]:.2f} %' for k in best)})"
    )
