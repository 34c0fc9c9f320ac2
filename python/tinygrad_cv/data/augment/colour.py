"""Augmentations that change colours, and the normalisation that networks want at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cv.data.augment.augmentation import Augmentation, check_images, pair_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tinygrad_cv.data.augment.sample_random import SampleRandom

# Shares of red, green and blue in the grey that the eye sees (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114])
# Red, green, blue to luma and the two colour axes of NTSC, among which a hue is an angle.
YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
BACK = np.linalg.inv(YIQ)


class ColorJitter(Augmentation):
    """Brightness, contrast, saturation and hue changed at random, in this order.

    Parameters
    ----------
    brightness, contrast, saturation : float or (float, float)
        Range of the factor; one number a stands for (max(0, 1 - a), 1 + a).
    hue : float or (float, float)
        Range of the hue's turn, in turns; one number h stands for (-h, h). Of at most half a turn.

    Raises
    ------
    ValueError
        A range whose ends are exchanged, a factor below 0, or a turn outside [-0.5, 0.5]; when
        called, saturation or hue of images that are not red, green and blue.

    Notes
    -----
    Images are in [0, 1] and stay so. Contrast is the distance to the image's mean grey, saturation
    that to the pixel's grey, as in torchvision; the hue is turned in the plane of I and Q.
    """

    def __init__(
        self,
        brightness: float | tuple[float, float] = 0.0,
        contrast: float | tuple[float, float] = 0.0,
        saturation: float | tuple[float, float] = 0.0,
        hue: float | tuple[float, float] = 0.0,
    ) -> None:
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)
        self.hue: tuple[float, float] = pair_of("ColorJitter", "hue", hue, around=0.0)
        if self.hue[0] < -0.5 or self.hue[1] > 0.5:
            raise ValueError(f"ColorJitter: hue must be in [-0.5, 0.5] turns, got {hue!r}")

    def __call__(self, images: NDArray[Any], random: SampleRandom) -> NDArray[Any]:
        check_images("ColorJitter", images, random)
        kind, colour = images.dtype, images.shape[1] == 3
        if not colour and (self.saturation != (1.0, 1.0) or self.hue != (0.0, 0.0)):
            raise ValueError(
                "ColorJitter: saturation and hue are of images with 3 channels, got "
                f"{images.shape[1]}"
            )
        one = (1, 1, 1)
        brightness, contrast, saturation = (
            random.uniform(*limits, one).astype(kind)
            for limits in (self.brightness, self.contrast, self.saturation)
        )
        turn = 2 * np.pi * random.uniform(*self.hue)
        out = np.clip(images * brightness, 0, 1)
        if self.contrast != (1, 1):
            mean = _grey(out).mean(axis=(2, 3), keepdims=True)
            out = np.clip(mean + (out - mean) * contrast, 0, 1)
        if self.saturation != (1, 1):
            grey = _grey(out)
            out = np.clip(grey + (out - grey) * saturation, 0, 1)
        if self.hue != (0, 0):
            out = np.clip(_turned(out, turn), 0, 1)
        return out

    def __repr__(self) -> str:
        return (
            f"ColorJitter(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


class Normalize(Augmentation):
    """(x - mean) / std, channel by channel.

    Parameters
    ----------
    mean, std : sequence of float
        One for each channel.

    Raises
    ------
    ValueError
        Different numbers of means and deviations, or a deviation not above 0; when called, images
        of another number of channels.

    Examples
    --------
    >>> from tinygrad_cv.data.augment import SampleRandom
    >>> Normalize([0.5], [0.25])(np.ones((1, 1, 1, 1)), SampleRandom(0, [0])).item()
    2.0
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = [float(m) for m in mean], [float(s) for s in std]
        if len(self.mean) != len(self.std):
            raise ValueError(f"Normalize: {len(self.mean)} means but {len(self.std)} deviations")
        if not all(s > 0 for s in self.std):
            raise ValueError(f"Normalize: std must be above 0, got {self.std}")

    def __call__(self, images: NDArray[Any], random: SampleRandom) -> NDArray[Any]:
        check_images("Normalize", images, random)
        if images.shape[1] != len(self.mean):
            raise ValueError(
                f"Normalize: images have {images.shape[1]} channels but mean has {len(self.mean)}"
            )
        mean, std = (np.array(v, images.dtype).reshape(1, -1, 1, 1) for v in (self.mean, self.std))
        out: NDArray[Any] = (images - mean) / std
        return out

    def __repr__(self) -> str:
        return f"Normalize({self.mean}, {self.std})"


def _factors(name: str, value: float | tuple[float, float]) -> tuple[float, float]:
    if isinstance(value, (int, float)):
        value = (max(0.0, 1.0 - value), 1.0 + value)
    low, high = pair_of("ColorJitter", name, value)
    if low < 0:
        raise ValueError(f"ColorJitter: {name} must be at least 0, got {value!r}")
    return low, high


def _grey(images: NDArray[Any]) -> NDArray[Any]:
    if images.shape[1] != 3:
        return images
    return np.einsum("nchw,c->nhw", images, LUMA.astype(images.dtype))[:, None]


def _turned(images: NDArray[Any], turn: NDArray[Any]) -> NDArray[Any]:
    cos, sin, zero, one = np.cos(turn), np.sin(turn), np.zeros_like(turn), np.ones_like(turn)
    plane = np.array([[one, zero, zero], [zero, cos, -sin], [zero, sin, cos]])
    matrix = np.einsum("ij,jkn,kl->nil", BACK, plane, YIQ).astype(images.dtype)
    pixels = matrix @ images.reshape(len(images), 3, -1)
    return pixels.reshape(images.shape)
