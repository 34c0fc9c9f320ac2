"""Element types under PyTorch's names; each is a NumPy dtype."""

from __future__ import annotations

import numpy as np

bool = np.dtype("bool")
uint8 = np.dtype("uint8")
int8 = np.dtype("int8")
int16 = np.dtype("int16")
int32 = np.dtype("int32")
int64 = np.dtype("int64")
float16 = np.dtype("float16")
float32 = np.dtype("float32")
float64 = np.dtype("float64")

half = float16
float = float32
double = float64
short = int16
int = int32
long = int64
