"""Entries for the tests of the pure modules: what a side looks like, in one line each."""

from __future__ import annotations

from partial_restore._types import Entry, Group, Name, name_of


def tensor(text: str, shape: tuple[int, ...] = (2,), dtype: str = "float32", **more: object) -> Entry:
    """A tensor or variable that is known by its name alone, which a person may or may not have chosen."""
    names = (name_of(text, said=None),)
    return _entry(text, names, names, shape, dtype, **more)


def variable(text: str, shape: tuple[int, ...] = (2,), dtype: str = "float32", **more: object) -> Entry:
    """A variable of a graph: whether a person chose its name is not known."""
    names = (name_of(text),)
    return _entry(text, names, names, shape, dtype, **more)


def attribute(text: str, *given: str, shape: tuple[int, ...] = (2,), **more: object) -> Entry:
    """A variable under attributes, as a module or a subclassed model has it."""
    return _entry(text, (name_of(text, said=True),), tuple(map(name_of, given)), shape, "float32", **more)


def mixed(text: str, layer_at: int) -> Entry:
    """A variable under attributes and, at one place, a layer that Keras may have named."""
    segments = tuple(text.split("/"))
    said = tuple(i != layer_at for i in range(len(segments)))
    return _entry(text, (Name(segments, said),), (), (2,), "float32")


def layer(text: str, *more_paths: str, shape: tuple[int, ...] = (2,)) -> Entry:
    """A variable of a layer, as a Functional model has it: by the layer's name, which Keras may have made up."""
    paths = tuple(_of_layer(path) for path in (text, *more_paths))
    return _entry(text, paths, paths[:1], shape, "float32")


def wrapped(wrapper: str, weight: str, shape: tuple[int, ...] = (2,)) -> Entry:
    """A variable of the unnamed layer in a wrapper, as a model has it that is matched by the names of layers alone."""
    return layer(f"{wrapper}/dense/{weight}", shape=shape)._replace(shown=(name_of(f"{wrapper}/layer/{weight}"),))


def placed(text: str, place: int, row: str = "") -> Entry:
    """A variable of a layer of which the place in the list of its model is known, or in the row of its class."""
    name = _of_layer(text)
    places = ((row, place), *(None for _ in name.segments[1:]))
    return _entry(text, (Name(name.segments, name.said, places),), (), (2,), "float32")


def _of_layer(text: str) -> Name:
    segments = tuple(text.split("/"))
    return Name(segments, (*(False for _ in segments[1:]), True))


def _entry(
    text: str,
    paths: tuple[Name, ...],
    given: tuple[Name, ...],
    shape: tuple[int, ...],
    dtype: str,
    group: Group = "model",
    *,
    nameless: bool = False,
) -> Entry:
    return Entry(text, paths, given, shape, dtype, group, 4, nameless)
