"""``python -m tinygrad_cv`` is the program ``tinygrad-cv``."""

from __future__ import annotations

from tinygrad_cv.cli import main

if __name__ == "__main__":
    main()
