"""Image files as arrays of bytes, whatever their mode: grey, colour, palette, alpha, 16 bits."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.optional import require

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What Pillow raises for files that are cut, damaged or too large to be meant.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error)


def load_image(path: str | os.PathLike[str], channels: int | None = None) -> NDArray[np.uint8]:
    """Read an image file.

    A photograph is turned upright as its camera says; 16 bits become 8; transparent parts get a
    ground that contrasts with the rest, white behind dark and black behind light.

    Parameters
    ----------
    path : path-like
        PNG, JPEG or whatever else Pillow reads.
    channels : {1, 3}, optional
        Grey or colour. Without it, what the file has.

    Returns
    -------
    ndarray, uint8, shape (C, H, W)

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        No such file.
    ValueError
        A file that is no image, or damaged; `path` is named.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> path = os.path.join(tempfile.mkdtemp(), "red.png")
    >>> Image.new("RGB", (3, 2), "red").save(path)
    >>> load_image(path).shape, load_image(path)[:, 0, 0].tolist()
    ((3, 2, 3), [255, 0, 0])
    """
    if channels not in (None, 1, 3):
        raise ValueError(f"load_image: channels must be 1, 3 or None, got {channels!r}")
    image = _opaque(_decoded(path))
    if channels is not None:
        image = image.convert("L" if channels == 1 else "RGB")
    pixels = np.array(image, np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _decoded(path: str | os.PathLike[str]) -> Any:
    """The image upright, in mode L, RGB, LA or RGBA."""
    Image = require("PIL.Image", extra="train")
    ImageOps = require("PIL.ImageOps", extra="train")
    with open(path, "rb") as file:
        try:
            with Image.open(file) as image:
                return _to_bytes(ImageOps.exif_transpose(image))
        except Image.UnidentifiedImageError as error:
            raise ValueError(f"load_image: {os.fspath(path)} is no image") from error
        except (*_DAMAGE, Image.DecompressionBombError) as error:
            raise ValueError(f"load_image: {os.fspath(path)} is damaged: {error}") from error


def _to_bytes(image: Any) -> Any:
    if image.mode.startswith("I"):  # 16 bits, whatever the file's kind
        Image = require("PIL.Image", extra="train")
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        image.load()
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode in ("1", "F") else "RGB")


def _opaque(image: Any) -> Any:
    if not image.has_transparency_data:
        return image
    Image = require("PIL.Image", extra="train")
    grey = image.mode in ("L", "LA")
    image = image.convert("RGBA")
    alpha = np.asarray(image)[..., 3].astype(np.float64)
    drawn = np.asarray(image.convert("RGB").convert("L"))
    dark = (alpha * drawn).sum() < 127.5 * alpha.sum()
    ground = Image.new("RGBA", image.size, "white" if dark else "black")
    return Image.alpha_composite(ground, image).convert("L" if grey else "RGB")
