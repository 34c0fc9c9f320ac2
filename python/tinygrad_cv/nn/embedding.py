"""Embeddings: a learned row for each of a number of things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cv import functional as F
from tinygrad_cv.engine import memory
from tinygrad_cv.nn import init
from tinygrad_cv.nn.checks import check_at_least
from tinygrad_cv.nn.module import Module
from tinygrad_cv.nn.parameter import Parameter

if TYPE_CHECKING:
    from tinygrad_cv.engine.random import Generator
    from tinygrad_cv.engine.tensor import Tensor


class Embedding(Module):
    """Row i of a table for index i.

    Parameters
    ----------
    num_embeddings : int
        Rows; indices lie in [0, num_embeddings).
    embedding_dim : int
        Length of a row.
    padding_idx : int, optional
        A row that starts from zero and gets no gradient.
    max_norm : float, optional
        Rows that are looked up and longer than this are shortened to it, in place.
    norm_type : float
        Which norm that is.
    device, dtype : optional
        Of the table; default CPU, float32.
    generator : Generator, optional
        Draws the starting values: standard normal.

    Attributes
    ----------
    weight : Parameter, shape (num_embeddings, embedding_dim)

    Raises
    ------
    ValueError
        Sizes below 1, or a padding_idx that is no row.

    Notes
    -----
    Shapes: any shape of integers, to that shape and embedding_dim.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        check_at_least("Embedding", 1, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"Embedding: padding_idx {padding_idx} is none of the {num_embeddings} rows"
            )
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm, self.norm_type = max_norm, norm_type
        shape = (num_embeddings, embedding_dim)
        self.weight = Parameter(F.empty(shape, dtype=dtype, device=device))
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw new starting values."""
        init.normal_(self.weight, generator=generator)
        if self.padding_idx is not None:
            self.weight.array[self.padding_idx] = 0
            memory.wrote(self.weight.array)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
    ) -> Embedding:
        """A layer around a table that exists, which it shares.

        Raises
        ------
        ValueError
            Other than two dimensions.
        """
        if embeddings.ndim != 2:
            raise ValueError(
                f"Embedding.from_pretrained: embeddings must have 2 dimensions, got "
                f"{embeddings.shape}"
            )
        rows, length = embeddings.shape
        layer = cls(rows, length, padding_idx, max_norm, norm_type)
        layer.weight = Parameter(embeddings, requires_grad=not freeze)
        return layer

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            max_norm=self.max_norm,
            norm_type=self.norm_type,
        )

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        for name, usual in (("padding_idx", None), ("max_norm", None), ("norm_type", 2.0)):
            value = getattr(self, name)
            if value != usual:
                parts.append(f"{name}={value}")
        return ", ".join(parts)
