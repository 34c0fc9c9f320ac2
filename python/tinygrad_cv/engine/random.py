"""Random numbers: one seed, one result, whatever NumPy's global state is."""

from __future__ import annotations

from typing import Any

import numpy as np


class Generator:
    """A source of random numbers with its own state, as ``torch.Generator``.

    Parameters
    ----------
    seed : int, optional
        Where to start; without it the operating system's entropy decides.

    Examples
    --------
    >>> a, b = Generator(1), Generator(1)
    >>> bool(a.numpy.random() == b.numpy.random())
    True
    """

    __slots__ = ("_seed", "numpy")

    numpy: np.random.Generator  # draws the numbers

    def __init__(self, seed: int | None = None) -> None:
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
        self.manual_seed(seed)

    def manual_seed(self, seed: Any) -> Generator:
        """Start anew from `seed` (any int >= 0)."""
        if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
            raise TypeError(f"manual_seed: seed must be an int, got {seed!r}")
        if seed < 0:
            raise ValueError(f"manual_seed: seed must be >= 0, got {seed}")
        self._seed = int(seed)
        self.numpy = np.random.Generator(np.random.PCG64(self._seed))
        return self

    def initial_seed(self) -> int:
        """The seed that this generator started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """The state as plain numbers and strings, fit for JSON."""
        return {"seed": self._seed, "bit_generator": dict(self.numpy.bit_generator.state)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was called."""
        self.manual_seed(state["seed"])
        self.numpy.bit_generator.state = state["bit_generator"]


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the generator that is used where none is given, and return it."""
    return default_generator.manual_seed(seed)
