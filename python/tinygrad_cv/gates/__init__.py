"""The gates: each operation's value and local gradient, by family. Argument checks are in functional."""

from __future__ import annotations

import warnings

# NaN and infinity are values here, which `detect_anomaly` traces to their gate. np.errstate around
# every sum and product would cost a quarter of a small gate's time.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tinygrad_cv\.gates\.")
