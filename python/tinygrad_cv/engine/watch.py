"""Reasons to leave the fast path of a gate's call, counted over all threads.

A gate's call must cost well under a microsecond, so it asks one question, `watch.reasons`, and only
where that is not zero does it look closer: is recording off in this thread, are values checked for
NaN, is memory shared with NumPy arrays that must not be written to meanwhile?
"""

from __future__ import annotations

import threading

reasons = 0
_lock = threading.Lock()


def add() -> None:
    global reasons
    with _lock:
        reasons += 1


def remove() -> None:
    global reasons
    with _lock:
        reasons -= 1
