"""The shape of the house: imports go one way, the pure part is pure, the package is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import partial_restore

ROOT = Path(partial_restore.__file__).parent
FLOORS = [
    {"_types", "_cast", "_fold", "_nodes", "_malloc", "_pause", "_progress"},
    {"_keys", "_optimizers", "_recorded", "_advice"},
    {"_labels", "_paired", "_pieces", "_rows"},
    {"_scopes"},
    {"_names", "_select", "_settle", "_advised_blocks", "_errors", "_report", "_below"},
    {"_layer_names", "_roots", "_sides", "_kept"},
    {"_alignment", "_siblings", "_doubt", "_state", "_renamed", "_relisted"},
    {"_rivals"},
    {"_align"},
    {"_certain", "_whole", "_within"},
    {"_said"},
    {"_left", "_shortened"},
    {"_moved"},
    {"_crossed"},
    {"_match"},
    {"_plan", "_places"},
    {"_advised"},
    {"_order"},
    {"_lists"},
    {"_keras", "_tensors"},
    {"_in_place", "_keras_own"},
    {"_declared"},
    {"_eager", "_deferred", "_live_optimizers", "_keras_stored"},
    {"_sources._arrays", "_sources._files", "_sources._configs"},
    {"_sources._extents"},
    {"_sources._kinds", "_sources._hdf5", "_sources._trained", "_sources._bundle"},
    {
        "_sources._npz",
        "_sources._safetensors",
        "_sources._groups",
        "_sources._layers",
        "_sources._live",
        "_sources._locate",
        "_sources._mapping",
        "_sources._checkpoint",
        "_targets._flow",
        "_targets._tracked",
        "_targets._training",
        "_targets._variables",
        "_targets._graph",
    },
    {"_targets._ways"},
    {"_targets._called"},
    {"_targets._objects"},
    {"_sources", "_targets", "_save"},
    {"_apply"},
    {"_prepared"},
    {"_arguments"},
    {"_restore"},
    {"_build"},
    {"callbacks"},
]
SAME_FLOOR = {
    ("_sources._checkpoint", "_sources._locate"),
    ("_sources._kinds", "_sources._files"),
}
PURE = {
    "_advised_blocks",
    "_types",
    "_cast",
    "_fold",
    "_nodes",
    "_malloc",
    "_pause",
    "_labels",
    "_left",
    "_optimizers",
    "_pieces",
    "_names",
    "_layer_names",
    "_relisted",
    "_keys",
    "_rows",
    "_below",
    "_roots",
    "_sides",
    "_recorded",
    "_select",
    "_advice",
    "_advised",
    "_paired",
    "_errors",
    "_report",
    "_align",
    "_alignment",
    "_rivals",
    "_within",
    "_certain",
    "_whole",
    "_said",
    "_renamed",
    "_shortened",
    "_crossed",
    "_moved",
    "_match",
    "_scopes",
    "_settle",
    "_doubt",
    "_siblings",
    "_kept",
    "_state",
    "_plan",
    "_places",
    "_order",
    "_lists",
}


def modules() -> list[str]:
    found = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.rglob("*.py"))
    return sorted(name.removesuffix(".__init__") for name in found if name != "__init__")


def imported(module: str) -> set[str]:
    """Everything that a module imports, at its top or later."""
    path = ROOT / module.replace(".", "/")
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "partial_restore":
            names |= {f"partial_restore.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def floor(module: str) -> int:
    return next(i for i, names in enumerate(FLOORS) if module in names)


@pytest.mark.parametrize("module", modules())
def test_imports_go_down_only(module: str) -> None:
    for name in imported(module):
        if name.startswith("partial_restore."):
            other = name.removeprefix("partial_restore.")
            assert floor(other) < floor(module) or (module, other) in SAME_FLOOR, f"{module} imports {other}"


@pytest.mark.parametrize("module", sorted(PURE))
def test_pure_modules_know_the_standard_library_only(module: str) -> None:
    tops = {name.partition(".")[0] for name in imported(module)}
    assert tops - {"partial_restore"} <= set(sys.stdlib_module_names)


def test_importing_the_package_loads_neither_tensorflow_nor_numpy() -> None:
    code = "import sys, partial_restore; print([m for m in ('tensorflow', 'numpy', 'keras') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout.strip() == "[]"


def test_every_public_name_can_be_had() -> None:
    for name in partial_restore.__all__:
        assert getattr(partial_restore, name).__name__ == name
    assert set(partial_restore.__all__) < set(dir(partial_restore))
    with pytest.raises(AttributeError, match="no attribute 'restore_subsets'"):
        partial_restore.restore_subsets  # noqa: B018
