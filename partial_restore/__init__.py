"""Restore the weights of a TensorFlow checkpoint wherever they still belong. The public names, and nothing else."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from partial_restore._build import build_restored
    from partial_restore._errors import (
        AmbiguousError,
        CastError,
        CheckpointNotFoundError,
        CollisionError,
        InitializerError,
        MismatchError,
        MissingError,
        NothingLoadedError,
        PartialRestoreError,
        RefusedError,
        RestoreError,
        StalePlanError,
        UnbuiltError,
        UnknownNameError,
        UnreadableCheckpointError,
    )
    from partial_restore._prepared import Plan
    from partial_restore._report import Item, Listing, Report, Tensor
    from partial_restore._restore import list_checkpoint, plan_subset, restore_subset, save_subset
    from partial_restore.callbacks import RestoreSubset

__version__ = "0.1.0"

_HOMES = {
    "_build": ("build_restored",),
    "_errors": (
        "AmbiguousError",
        "CastError",
        "CheckpointNotFoundError",
        "CollisionError",
        "InitializerError",
        "MismatchError",
        "MissingError",
        "NothingLoadedError",
        "PartialRestoreError",
        "RefusedError",
        "RestoreError",
        "StalePlanError",
        "UnbuiltError",
        "UnknownNameError",
        "UnreadableCheckpointError",
    ),
    "_report": ("Item", "Listing", "Report", "Tensor"),
    "_prepared": ("Plan",),
    "_restore": ("list_checkpoint", "plan_subset", "restore_subset", "save_subset"),
    "callbacks": ("RestoreSubset",),
}

__all__ = [
    "AmbiguousError",
    "CastError",
    "CheckpointNotFoundError",
    "CollisionError",
    "InitializerError",
    "Item",
    "Listing",
    "MismatchError",
    "MissingError",
    "NothingLoadedError",
    "PartialRestoreError",
    "Plan",
    "RefusedError",
    "Report",
    "RestoreError",
    "RestoreSubset",
    "StalePlanError",
    "Tensor",
    "UnbuiltError",
    "UnknownNameError",
    "UnreadableCheckpointError",
    "build_restored",
    "list_checkpoint",
    "plan_subset",
    "restore_subset",
    "save_subset",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: importing the package loads neither TensorFlow nor NumPy."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
