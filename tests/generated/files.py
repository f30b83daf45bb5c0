"""The formats in which generated models are saved, each as its users write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

import partial_restore as pr
from generated.specs import Layer

Save = Callable[[Any, Path], Any]


def tf_weights(model: Any, folder: Path) -> str:
    """As `save_weights` of Keras 2 does without the ending of a file."""
    model.save_weights(str(folder / "weights"))
    return str(folder / "weights")


def bare(model: Any, folder: Path) -> str:
    return str(tf.train.Checkpoint(model).write(str(folder / "ckpt")))


def rooted(model: Any, folder: Path) -> str:
    return str(tf.train.Checkpoint(model=model).write(str(folder / "ckpt")))


def with_optimizer(model: Any, folder: Path) -> str:
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    return str(checkpoint.write(str(folder / "ckpt")))


def subset(model: Any, folder: Path) -> str:
    return pr.save_subset(model, str(folder / "subset"))


def weights_h5(model: Any, folder: Path) -> Path:
    model.save_weights(folder / "model.weights.h5")
    return folder / "model.weights.h5"


def archive(model: Any, folder: Path) -> Path:
    model.save(folder / "model.keras")
    return folder / "model.keras"


def shards(model: Any, folder: Path) -> Path:
    model.save_weights(folder / "model.weights.json", max_shard_size=1e-6)
    return folder / "model.weights.json"


def legacy(model: Any, folder: Path) -> Path:
    model.save(folder / "model.h5")
    return folder / "model.h5"


def unlabelled(model: Any, folder: Path) -> Path:
    """As Keras 3 wrote before 3.6: without the names of layers."""
    with h5py.File(weights_h5(model, folder), "r+") as file:
        named = [file]
        file.visititems(lambda _, thing: named.append(thing))
        for thing in named:
            thing.attrs.pop("name", None)
    return folder / "model.weights.h5"


def live(model: Any, folder: Path) -> Any:  # noqa: ARG001  One of many.
    return model


def npz(model: Any, folder: Path) -> Path:
    np.savez(folder / "model.npz", **by_path(model))
    return folder / "model.npz"


def safetensors(model: Any, folder: Path) -> Path:
    save_file({name: np.ascontiguousarray(value) for name, value in by_path(model).items()}, folder / "m.safetensors")
    return folder / "m.safetensors"


def by_path(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return the weights by the paths that Keras gives them."""
    return {getattr(weight, "path", weight.name.removesuffix(":0")): weight.numpy() for weight in model.weights}


CHECKPOINTS = ("bare", "rooted", "with_optimizer", "tf_weights")
LABELLED = ("weights_h5", "archive", "shards")
ARRAYS = ("npz", "safetensors")
FORMATS: Mapping[str, Save] = {
    save.__name__: save
    for save in (
        bare, rooted, with_optimizer, subset, weights_h5, archive, shards, legacy, unlabelled, live, npz, safetensors, tf_weights,
    )
}  # fmt: skip
OF_FAMILY = {
    "keras": [form for form in FORMATS if form != "tf_weights"],
    "tf_keras": [form for form in FORMATS if form not in ("shards", "unlabelled")],
}
"""Which of them each family of Keras writes."""


def is_writable(form: str, spec: Layer, *, is_compiled: bool) -> bool:
    """Say whether a format can hold a model: some know only the innermost names of layers, which must be unique."""
    if form == "with_optimizer":
        return is_compiled
    if form == "legacy" or form in ARRAYS:
        leaves = {each.uid: each.name for each in spec.walk() if not each.is_container and each.name}
        return all(each.kind != "net" for each in spec.walk()) and len(set(leaves.values())) == len(leaves)
    return True


def contents(saved: Any) -> set[bytes]:
    """Return the values of all float tensors of a file, read without the package under test."""
    if not isinstance(saved, str | Path):
        return {weight.numpy().tobytes() for weight in saved.weights}
    path = str(saved)
    if path.endswith(".npz"):
        with np.load(path) as file:
            return {file[key].tobytes() for key in file.files}
    if path.endswith(".safetensors"):
        return _of_safetensors(path)
    if path.endswith((".h5", ".keras", ".json")):
        return {value for each in _hdf5s(saved) for value in _of_hdf5(each)}
    reader = tf.train.load_checkpoint(path)
    keys = [key for key, dtype in reader.get_variable_to_dtype_map().items() if dtype == tf.float32]
    return {reader.get_tensor(key).tobytes() for key in keys}


def _of_safetensors(path: str) -> set[bytes]:
    from safetensors.numpy import load_file  # noqa: PLC0415

    return {value.tobytes() for value in load_file(path).values()}


def _hdf5s(saved: Any) -> list[Any]:
    import io  # noqa: PLC0415
    import zipfile  # noqa: PLC0415

    path = Path(saved)
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as file:
            return [io.BytesIO(file.read("model.weights.h5"))]
    return sorted(path.parent.glob("*.h5")) if path.suffix == ".json" else [path]


def _of_hdf5(file: Any) -> set[bytes]:
    found: set[bytes] = set()

    def take(_: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset) and thing.dtype == np.float32:
            found.add(thing[()].tobytes())

    with h5py.File(file, "r") as opened:
        opened.visititems(take)
    return found
