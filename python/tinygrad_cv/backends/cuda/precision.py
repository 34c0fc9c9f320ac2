"""Whether float32 products may run on tensor cores, which round what they multiply. Needs no CuPy."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["AUTOCAST_KINDS", "KINDS", "autocast_kind", "float32_precision", "product_kind"]

# What multiplies: plain arithmetic, or tensor cores with the fraction's bits 10 (TF32) or 7 (BF16).
KINDS = {"highest": "", "high": "tf32", "medium": "bf16"}
AUTOCAST_KINDS = {"float16": "f16", "bfloat16": "bf16"}

float32_precision: ContextVar[str] = ContextVar("float32_precision", default="highest")
autocast_kind: ContextVar[str] = ContextVar("autocast_kind", default="")


def product_kind() -> str:
    """The kind of the autocast in force, else of the precision: "" for plain arithmetic."""
    return autocast_kind.get() or KINDS[float32_precision.get()]
