"""Where a tensor's values live."""

from __future__ import annotations


class device:
    """A place for tensors: ``device("cpu")``, ``device("cuda")`` or ``device("cuda:1")``.

    Raises
    ------
    ValueError
        A name other than these.

    Examples
    --------
    >>> device("cuda:1").index
    1
    """

    __slots__ = ("index", "type")

    def __init__(self, name: str | device) -> None:
        kind, colon, number = str(name).partition(":")
        if kind not in ("cpu", "cuda") or (colon and not number.isdecimal()):
            raise ValueError(f"device: expected 'cpu', 'cuda' or 'cuda:<number>', got {name!r}")
        self.type = kind
        self.index = int(number) if colon else None

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (device, str)) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


CPU = device("cpu")
