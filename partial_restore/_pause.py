"""Keeps Python from searching for cycles while many objects are made that live on. Standard library only."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Do without cyclic garbage collection for a short while.

    A plan, as a model that is built, makes some ten objects per variable and drops none of them. Python takes that for a sign to look through every
    object of the process, TensorFlow's and Keras' included, which can take longer than the plan does.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
