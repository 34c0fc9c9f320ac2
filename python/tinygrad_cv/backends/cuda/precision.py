"""Whether float32 products may run on tensor cores, which round what they multiply. Needs no CuPy."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["KINDS", "float32_precision", "product_kind"]

# What multiplies: plain arithmetic, or tensor cores with the fraction's bits 10 (TF32) or 7 (BF16).
KINDS = {"highest": "", "high": "tf32", "medium": "bf16"}

float32_precision: ContextVar[str] = ContextVar("float32_precision", default="highest")


def product_kind() -> str:
    """The kind that the precision in force stands for: "" for plain arithmetic."""
    return KINDS[float32_precision.get()]
