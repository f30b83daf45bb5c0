"""The HDF5 files of Keras 3: ``.weights.h5``, ``.keras`` (archive and folder), and shards with an index.

The file says at which place of the model a layer stood, and (since Keras 3.6, or in the configuration) what it was
called.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import tensorflow as tf

from partial_restore._errors import UnreadableCheckpointError
from partial_restore._in_place import NOWHERE
from partial_restore._keys import VARIABLES, counted_from_zero, unprivate
from partial_restore._optimizers import family_of, is_known
from partial_restore._places import (
    LAYERS,
    Group,
    base_of,
    blocks_around,
    classes_of,
    is_of_models,
    members_of,
    names_of_place,
)
from partial_restore._sources._configs import inputs_in, members_in
from partial_restore._sources._files import head_of, opened, size_of, stamps_of, start_of
from partial_restore._sources._hdf5 import Array, Hdf5, text
from partial_restore._sources._kinds import WEIGHTS
from partial_restore._sources._trained import INNER, with_state
from partial_restore._types import Entry, Layout, Name, name_of
from partial_restore._types import Group as Part

_MOST_CONFIG = 64 * 2**20
_OLD_LAYERS = "_layer_checkpoint_dependencies"
_CONFIG, _METADATA = "config.json", "metadata.json"
_ASSETS = "assets"
"""The folder in which an archive has what layers keep in files."""


class GroupsSource:
    """Files of one model, each with a part of its groups."""

    def __init__(
        self,
        path: str,
        files: Sequence[Hdf5],
        config: Mapping[str, Any] | None = None,
        assets: Sequence[str] = (),
        keras: int | None = None,
    ) -> None:
        self.path, self._files, self._assets = path, files, assets
        self.stamps = stamps_of(each.file for each in files)
        self._arrays: dict[str, tuple[int, Array]] = {}
        called: dict[str, str] = {}
        self._held: set[Group] = set()
        for i, each in enumerate(files):
            called |= self._open(i, each)
        counting = {group for group in _groups_of(self._arrays) if self._begins_with_a_step(group)}
        self._optimizers = frozenset(
            _place(f"{group}/0") for group in counting if is_known(family_of(called.get(group, "")))
        )
        layers = [key for key in self._arrays if key.rpartition("/")[0] not in counting]
        groups = frozenset(_place(key) for key in layers if self._part(_place(key)) == "model")
        self._names = {group: name for group, name in called.items() if self._part(_place(f"{group}/0")) == "optimizer"}
        self._labels: dict[Group, str] = {
            _place(f"{group}/0"): name for group, name in called.items() if group not in self._names
        }
        members = list(members_in(config or {}, self._held))
        labels = {each.place: each.name for each in members if each.name is not None}
        self._trained = {each.place: each.is_trained for each in members}
        fed = inputs_in(config or {})
        self._inputs: dict[Group, frozenset[str]] = {
            each.place: fed.get(each.name or "", frozenset()) for each in members if fed and len(each.place) == 2
        }
        self._optimizer = _optimizer_of(config or {})
        homes: dict[Group, set[Group]] = {}
        for group in groups:
            for at in (group[: i + 1] for i in range(1, len(group)) if is_of_models(group[: i + 1])):
                homes.setdefault(at[:-1], set()).add(at)
        told = homes.keys() & {at[:-1] for at in self._trained}
        listed = {at for home in told for at in homes[home]}
        is_told = bool(told) and listed <= self._trained.keys()  # TensorFlow 2.12 numbered layers otherwise.
        self._order = {place: i for i, place in enumerate(self._trained)} if is_told else {}
        by_hand = counted_from_zero({*(self._labels or labels).values()})
        if self._labels:
            self.layout = Layout("groups", "all", groups, labels=self._labels, by_hand=by_hand)
        elif is_told and listed & labels.keys():
            untold = frozenset(map(classes_of, {*homes.keys() - told, *self._trained.keys() - labels.keys()}))
            self._labels, self.layout = (
                labels,
                Layout("groups", "lists", groups, untold=untold, by_hand=by_hand, keras=keras),
            )
        else:
            self.layout = Layout("groups", "none", groups, keras=keras)

    def _open(self, i: int, hdf5: Hdf5) -> dict[str, str]:
        """Take note of every array of a file, and return the names of layers and optimizers by the groups of their variables."""
        with hdf5.opened() as file:
            arrays, groups = hdf5.content(file)
            if twice := self._arrays.keys() & arrays.keys():
                raise UnreadableCheckpointError(self.path, f"two of its files have {min(twice)!r}")
            self._arrays |= {key: (i, array) for key, array in arrays.items()}
            self._held.update(
                place[:i]
                for place in map(_place, (f"{each}/{VARIABLES}/0" for each in groups))
                for i in range(1, len(place) + 1)
            )
            named = ((each, file[each].attrs.get("name")) for each in groups if each.rpartition("/")[2] == VARIABLES)
            return {group: text(name) for group, name in named if name is not None}

    @cached_property
    def entries(self) -> Sequence[Entry]:
        """Every array, by path."""
        entries = [self._entry(key, array) for key, (_, array) in sorted(self._arrays.items())]
        entries = with_state(entries, self._trained, self._optimizer, self._names)
        if not any(entry.group == "model" and VARIABLES in entry.key.split("/") for entry in entries):
            raise UnreadableCheckpointError(self.path, "it has no weights")
        return [*entries, *(Entry(each, (name_of(each),), (), (), "file", "asset") for each in self._assets)]

    def _entry(self, key: str, array: Array) -> Entry:
        at, held = _place(key), key.split("/")
        names: tuple[Name, ...] = (name_of(key, said=None),)
        layer = ""
        if len(held) > 1 and held[-2] == VARIABLES:
            layer = base_of(at[-1]) if at and members_of(at)[-1] else ""
            names = names_of_place(at, held[-1], members_of(at), self._labels, self.layout, self._order) or names
        part: Part = self._part(at) if array.dtype else "internal"
        blocks = blocks_around(at, self._labels)
        return Entry(
            key,
            names,
            (),
            array.shape,
            array.dtype or "unknown",
            part,
            array.itemsize,
            layer=layer,
            blocks=blocks,
            inputs=self._inputs.get(at[:2], frozenset()),
        )

    def _begins_with_a_step(self, group: str) -> bool:
        """Say whether a group may be that of an optimizer: that counts its steps first, as no layer of Keras does."""
        _, first = self._arrays.get(f"{group}/0", (0, None))
        return first is not None and first.dtype.startswith("int") and first.shape == ()

    def _part(self, group: Group) -> Part:
        """Return what the arrays of a group are part of."""
        return "optimizer" if any(group[:i] in self._optimizers for i in range(1, len(group) + 1)) else _part(group)

    def read(self, keys: Sequence[str], into: Mapping[str, tf.Tensor] = NOWHERE) -> list[tf.Tensor]:
        """Return the values, in the order of the keys."""
        values: dict[str, tf.Tensor] = {}
        for i, file in enumerate(self._files):
            here = [key for key in keys if self._arrays[key][0] == i]
            values.update(zip(here, file.read([[key] for key in here], into) if here else [], strict=True))
        return [values[key] for key in keys]

    reread = read

    def check(self, keys: Sequence[str]) -> None:
        """Find out what would fail if the values were read."""
        for i, file in enumerate(self._files):
            file.check([[key] for key in keys if self._arrays[key][0] == i])


def _place(key: str) -> Group:
    """Return the group of the layer that has the array; TensorFlow 2.12 called the list of layers otherwise."""
    return tuple(LAYERS if each == _OLD_LAYERS else unprivate(each) for each in key.split("/")[:-2])


def _groups_of(keys: Iterable[str]) -> set[str]:
    """Return the groups of variables among keys."""
    return {group for group in {key.rpartition("/")[0] for key in keys} if group.endswith(f"/{VARIABLES}")}


def open_weights(path: str) -> GroupsSource:
    """Return the source of a ``.weights.h5`` file."""
    return GroupsSource(path, [Hdf5(path)])


def open_keras(path: str) -> GroupsSource:
    """Return the source of a ``.keras`` archive or folder; the checksum of an archive's weights is verified here."""
    if tf.io.gfile.isdir(path):
        inner = os.path.join(path, WEIGHTS)
        if not tf.io.gfile.exists(inner):
            raise UnreadableCheckpointError(path, f"it has no {WEIGHTS!r}")
        config, metadata = (_in_folder(path, name) for name in (_CONFIG, _METADATA))
        return GroupsSource(path, [Hdf5(path, inner)], _json(path, config), _assets_in(path), _major(path, metadata))
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if names.count(WEIGHTS) != 1:
                raise UnreadableCheckpointError(path, f"it has {names.count(WEIGHTS) or 'no'} {WEIGHTS!r}")
            info = archive.getinfo(WEIGHTS)
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise UnreadableCheckpointError(path, f"its {WEIGHTS!r} is compressed, which Keras does not do")
            start = start_of(file, info, size_of(path))
            _verify(archive, info)
            config, metadata = (_member(archive, name) if name in names else b"{}" for name in (_CONFIG, _METADATA))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, tf.errors.OpError) as error:
        raise UnreadableCheckpointError(path, f"the archive is damaged: {error}") from error
    assets = [name for name in names if name.startswith(f"{_ASSETS}/") and not name.endswith("/")]
    weights = Hdf5(path, path, start, info.file_size)
    return GroupsSource(path, [weights], _json(path, config), assets, _major(path, metadata))


def _in_folder(path: str, name: str) -> bytes:
    file = os.path.join(path, name)
    return head_of(file, _MOST_CONFIG) if tf.io.gfile.exists(file) else b"{}"


def _major(path: str, metadata: bytes) -> int | None:
    """Return the major version of the Keras that wrote a model, if its metadata tell one that is known."""
    return {"2": 2, "3": 3}.get(str(_json(path, metadata).get("keras_version")).partition(".")[0])


def _assets_in(folder: str) -> list[str]:
    """Return what layers keep in files of their own beside the weights."""
    walked = tf.io.gfile.walk(os.path.join(folder, _ASSETS))
    return sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in walked for name in names)


def open_shards(path: str) -> GroupsSource:
    """Return the source of an index of shards, ``.weights.json``.

    Raises:
        UnreadableCheckpointError: The index names no files, a file elsewhere, or one that is gone.
    """
    index = _json(path, head_of(path, _MOST_CONFIG)).get("weight_map")
    listed = index.values() if isinstance(index, dict) else ()
    names = sorted({name for value in listed for name in (value if isinstance(value, list) else [value])})
    if not names or not all(isinstance(name, str) and os.path.basename(name) == name for name in names):
        raise UnreadableCheckpointError(path, "its index names no files, or files in other folders")
    folder = os.path.dirname(path)
    if gone := [name for name in names if not tf.io.gfile.exists(os.path.join(folder, name))]:
        raise UnreadableCheckpointError(path, f"shards are missing: {', '.join(gone)}")
    if other := [name for name in names if not name.endswith(".h5")]:
        raise UnreadableCheckpointError(path, f"its shards are no HDF5 files ({other[0]}); give them one by one")
    return GroupsSource(path, [Hdf5(path, os.path.join(folder, name)) for name in names])


def _part(group: Group) -> Part:
    """Return what the arrays of a group are part of: a model has an optimizer if it was compiled, be it within another one."""
    if any(each.strip("_") == "optimizer" and group[i - 1 : i] != (LAYERS,) for i, each in enumerate(group)):
        return "optimizer"
    if group and group[0].strip("_") in ("metrics", "compile_metrics", "loss_tracker"):
        return "metric"
    return "seed" if any("seed_generator" in segment for segment in group) else "model"


def _json(path: str, data: bytes) -> dict[str, Any]:
    try:
        read = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableCheckpointError(path, f"its JSON is damaged: {error}") from error
    return read if isinstance(read, dict) else {}


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        return member.read(_MOST_CONFIG)


def _verify(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Hold a member against its checksum: it is checked only where the member is read from end to end."""
    with archive.open(info) as member:
        while member.read(2**20):
            pass


def _optimizer_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the configuration of the optimizer, if that of the model tells it."""
    compiled = config.get("compile_config")
    optimizer = compiled.get("optimizer") if isinstance(compiled, dict) else None
    if isinstance(optimizer, str):  # As Keras 2 writes down `compile("adam")`: with every option as it is by default.
        return {"class_name": optimizer, "config": {INNER: {"class_name": optimizer, "config": {}}}}
    return optimizer if isinstance(optimizer, dict) else {}
