"""Memory that was freed goes back to the system, where the C library would keep it and not use it again.

The GNU C library looks for more than it needs where memory is to be aligned, as TensorFlow wants it to be: a value does not fit
where one of its size was freed, and a second copy of the model comes together. With oneDNN TensorFlow has an allocator of
its own, which reuses such memory; then there is nothing to give back.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

_MEMORY = Path("/proc/self/statm")


def trim() -> None:
    """Give the pages of freed memory back, if the C library can."""
    if function := _function():
        function(0)


def resident() -> int:
    """Return the bytes of memory that the process has, 0 where the system does not tell as Linux does."""
    try:
        return int(_MEMORY.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


@cache
def _function() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # It is another library, or on Windows none has this name.
        return None
