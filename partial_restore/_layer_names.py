"""Names of variables by those of their layers alone, as Keras had them before Keras 3. Standard library only, no I/O."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from partial_restore._keys import WRAPPED, is_own_name
from partial_restore._names import member_place, raw_name
from partial_restore._nodes import TRANSPARENT, Node, Path, Step, is_hidden, paths_of
from partial_restore._types import Entry, Name, in_pieces


def layer_names(
    nodes: Sequence[Node],
    leaves: Mapping[int, str],
    *,
    keeps: Literal["all", "top", "none"] = "all",
    is_placed: bool = False,
) -> dict[int, tuple[Name, ...]]:
    """Return for every leaf, given with the variable's own name, its names by those of the layers alone.

    Before Keras 3 they did not keep all: of an inner model often only the layer within, of a wrapper its own name alone.
    In HDF5 the layer at the ``top`` is always told, in a graph of TensorFlow 1 it is not.

    >>> nodes = [Node([("a", 1)]), Node([("kernel", 2)], label="enc"), Node([])]
    >>> [name.text for name in layer_names(nodes, {2: "kernel"})[2]]
    ['enc/kernel']
    """
    paths = paths_of(nodes, lambda i, segment: not is_hidden(nodes[i], segment))
    return {
        leaf: tuple(
            dict.fromkeys(
                name for path in paths.get(leaf, ()) for name in _flat(path, nodes, own, keeps, is_placed=is_placed)
            )
        )
        for leaf, own in leaves.items()
    }


def _flat(path: Path, nodes: Sequence[Node], own: str, keeps: str, *, is_placed: bool) -> Iterator[Name]:
    members = path.members
    placed = members if is_placed else members[:1]
    steps = [i for i in range(len(path) - 1) if nodes[path[i].node].label and path[i].segment not in TRANSPARENT]
    if not steps:  # A weight of the model itself, or of what is no layer.
        yield raw_name(path)
    if not steps and len(path) > 1:
        return
    inner = max((i for i in steps[1:] if i in members), default=0)
    kept = [i for i in steps if i >= inner or (keeps == "top" and i == steps[0])]
    shortened = [_open(steps, path), kept, _open(kept, path)]
    for chosen in [steps] if keeps == "all" else [steps, *shortened]:
        places = (*(("", member_place(path[i])) if i in placed else None for i in chosen), None)
        for labels in itertools.product(*(_labels_of(path[i], nodes) for i in chosen)):
            said = (*(False for _ in labels), is_own_name(own))
            yield in_pieces(Name((*labels, own), said, places))
            if keeps != "all" and labels[:1] == labels[1:2]:  # A file that repeats a name is read as if it did not.
                yield in_pieces(Name((*labels[1:], own), said[1:], places[1:]))


def _open(steps: Sequence[int], path: Path) -> list[int]:
    """Return the steps but those to what a layer wraps."""
    return [i for i in steps if path[i].segment not in WRAPPED]


def _labels_of(step: Step, nodes: Sequence[Node]) -> Sequence[str]:
    """Return the names of a layer: Keras 2 gave the backward layer of a bidirectional one a name of its own."""
    label = nodes[step.node].label or ""
    if step.segment != "backward_layer":
        return [label]
    return [label, label.removeprefix("backward_") if label.startswith("backward_") else f"backward_{label}"]


def without_cudnn(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries, those of cuDNN layers set apart: their bias is twice as long, and all their gates lie otherwise.

    >>> from partial_restore._types import name_of
    >>> bias, kernel = (Entry(k, (name_of(k),), (), s, "float32") for k, s in
    ...                 (("l/bias", (16,)), ("l/recurrent_kernel", (2, 8))))
    >>> [entry.group for entry in without_cudnn([bias, kernel])]
    ['foreign', 'foreign']
    """
    shapes = {entry.name: entry.shape for entry in entries}

    def is_cudnn(layer: str) -> bool:
        recurrent, bias = shapes.get(f"{layer}/recurrent_kernel", ()), shapes.get(f"{layer}/bias", ())
        return len(recurrent) == 2 and len(bias) == 1 and bias[0] == 2 * recurrent[1]

    layers = {entry.name.rpartition("/")[0] for entry in entries}
    foreign = {layer for layer in layers if is_cudnn(layer)}
    return [each._replace(group="foreign") if each.name.rpartition("/")[0] in foreign else each for each in entries]
