"""What numbers, roots and the rest of a layer prove or disprove: a table, each row a way to take one tensor for another."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from entries import attribute, layer, mixed, placed, tensor, variable
from test_plan import AMBIGUOUS, COLLIDED, MISMATCHED, MISSING, request, told

from partial_restore._plan import decide
from partial_restore._types import Entry, Name, Outcome, name_of


def stored(text: str, shape: tuple[int, ...] = (2,), of: str = "") -> Entry:
    """A variable as HDF5 of Keras 3 stores it: by the number that it has in its layer, whose class may be known."""
    return attribute(text, shape=shape)._replace(layer=of)


def wrapping(inner: str, outer: str) -> Entry:
    """A variable of a layer that is kept by the one around it as well."""
    return stored(outer)._replace(paths=(*stored(outer).paths, *stored(inner).paths))


def short(text: str, name: str) -> Entry:
    """A variable that TensorFlow 1 would call shorter."""
    return layer(text)._replace(ops=(name_of(name)._replace(said=(*(False for _ in name.split("/")[1:]), True)),))


def inner(text: str, given: str, *places: int) -> Entry:
    """A variable of a layer in a model within a model: where each stands, and what Keras calls it."""
    name = layer(text).paths[0]
    known = (*(("", each) for each in places), *(None for _ in name.segments[len(places) :]))
    return layer(text)._replace(paths=(name._replace(places=known),), given=(layer(given).paths[0],))


def by_class(text: str) -> Entry:
    """A tensor of a layer that has a place among those of its class alone."""
    name = layer(text).paths[0]
    return layer(text)._replace(paths=(name._replace(places=((name.segments[0], 0), None)),))


def nameless(text: str) -> Entry:
    """A variable whose layers were all named by Keras."""
    return layer(text)._replace(given=())


def array(text: str) -> Entry:
    """A tensor of a layer in a file of Keras 2, which names the outer layer and the variable."""
    paths = placed(text, 0).paths
    return layer(text)._replace(paths=paths, given=(), ops=paths)


def listed(text: str) -> Entry:
    """A variable of a layer within a layer, of which all places are known."""
    name = layer(text).paths[0]
    return short(text, text)._replace(shown=(name._replace(places=(*(("", 0) for _ in name.segments[1:]), None)),))


def within(model: str, text: str) -> Entry:
    """A variable of a model that has a name."""
    return layer(text)._replace(shown=(layer(text).paths[0], layer(f"{model}/{text}").paths[0]))


def called(entry: Entry, given: str) -> Entry:
    return entry._replace(given=layer(given).given)


def in_blocks(names: Sequence[str], parts: str) -> list[Entry]:
    """The variables in a list of blocks with scopes of their own, of which each has a layer without a name in every attribute."""
    numbers = itertools.count(1)
    return [
        attribute(f"blocks/{i}/{part}/w")._replace(
            given=(
                *layer(f"net/{name}/dense_{next(numbers)}/w").given,
                *((scoped(f"net/{name}/{part}/w"),) if len({*names}) > 1 else ()),
            )
        )
        for i, name in enumerate(names)
        for part in parts
    ]


def scoped(text: str) -> Name:
    """The name of a variable by the scope of its block and the attribute in that."""
    segments = tuple(text.split("/"))
    return Name(segments, (*(False for _ in segments[2:]), True, True))


def rooted(text: str) -> Entry:
    """A tensor of a layer in a checkpoint that was given the model as an attribute."""
    name = layer(text).paths[0]
    return layer(text)._replace(paths=(name._replace(said=(True, *name.said[1:])),))


def in_attributes(text: str, *attributes: str) -> Entry:
    """A variable of a layer without a name in attributes of a layer."""
    name = layer(text).paths[0]
    said = (segment in attributes or is_said for segment, is_said in zip(name.segments, name.said, strict=True))
    return layer(text)._replace(paths=(name._replace(said=tuple(said)),), given=())


def lacking(entry: Entry, text: str) -> Entry:
    """A variable of a model, and the path that a file would have that knows what full names tell, and no more."""
    name = layer(text).paths[0]
    return entry._replace(paths=(*entry.paths, name, name._replace(is_derived=True)))


def op(text: str) -> Entry:
    """A tensor of a graph of TensorFlow 1."""
    return tensor(text)._replace(ops=(name_of(text, said=None),))


def kept(text: str, *around: str) -> Entry:
    """A variable of a layer in a block, each with a name beside it, and the layer maybe in a list: ``block/list/layer/variable``."""
    depths = (len(text.split("/")), 2)
    blocks = tuple((depth, name, 1) for depth, name in zip(depths, around, strict=True))
    return mixed(text, 0)._replace(blocks=blocks)


def block(i: int, *names: str) -> list[Entry]:
    return [attribute(f"blocks/{i}/{name}") for name in names]


def feeding(*pairs: str) -> Callable[[str, str], bool]:
    """Tell of which of two layers one feeds the other."""
    known = {frozenset(pair.split()) for pair in pairs}
    return lambda one, other: frozenset(key.partition("/")[0] for key in (one, other)) in known


NORM, BATCH = ("gamma", "beta"), ("gamma", "beta", "moving_mean")
TWO = [*block(0, "dense/w"), *block(1, "dense/w")]

THREE = [layer("dense/w"), layer("dense_1/w"), layer("conv2d/w")]
THREE_WITHIN = [layer(f"body/{entry.name}") for entry in THREE]


def fed(text: str, *inputs: str) -> Entry:
    return placed(text, int(text.rpartition("_")[2].partition("/")[0]) if "_" in text else 0)._replace(
        inputs=frozenset(inputs)
    )


BRANCHES = [placed(text, i) for i, text in enumerate(("a/v", "b/v", "dense/w", "dense_1/w"))]
SWAPPED = [placed(text, i) for i, text in enumerate(("b/v", "a/v", "dense/w", "dense_1/w"))]

TABLE: dict[str, tuple[list[Entry], list[Entry], dict[str, Any], dict[str, object]]] = {
    "two unlike layers of a list changed places": (
        [*block(0, *NORM), *block(1, *BATCH)],
        [*block(0, *BATCH), *block(1, *NORM)],
        {},
        dict.fromkeys([f"blocks/{i}/{n}" for i, names in ((0, NORM), (1, BATCH)) for n in names], AMBIGUOUS),
    ),
    "the only layer of a list is of another type": (
        block(0, *NORM),
        block(0, *BATCH),
        {},
        dict.fromkeys([f"blocks/0/{name}" for name in NORM], AMBIGUOUS),
    ),
    "two unlike blocks of a list changed places": (
        [*block(0, "dense/w"), *block(1, "dense/w", "norm/w")],
        [*block(0, "dense/w", "norm/w"), *block(1, "dense/w")],
        {},
        dict.fromkeys(["blocks/0/dense/w", "blocks/1/dense/w", "blocks/1/norm/w"], AMBIGUOUS),
    ),
    "something new in every block": (
        [*block(0, "dense/w", "adapter/w"), *block(1, "dense/w", "adapter/w")],
        TWO,
        {},
        {f"blocks/{i}/dense/w": f"blocks/{i}/dense/w" for i in (0, 1)}
        | dict.fromkeys(["blocks/0/adapter/w", "blocks/1/adapter/w"], MISSING),
    ),
    "something new in one block": (
        [*TWO, *block(1, "adapter/w")],
        TWO,
        {},
        dict.fromkeys(["blocks/0/dense/w", "blocks/1/dense/w"], AMBIGUOUS) | {"blocks/1/adapter/w": MISSING},
    ),
    "what LoRA adds changes no layer": (
        [*block(0, "kernel", "lora_kernel_a"), *block(1, "kernel")],
        [*block(0, "kernel"), *block(1, "kernel")],
        {},
        {f"blocks/{i}/kernel": f"blocks/{i}/kernel" for i in (0, 1)} | {"blocks/0/lora_kernel_a": MISSING},
    ),
    "another shape among as many": (
        [layer("dense/w"), layer("dense_1/w", shape=(5,))],
        [layer("dense/w"), layer("dense_1/w", shape=(3,))],
        {},
        {"dense/w": AMBIGUOUS, "dense_1/w": MISMATCHED},
    ),
    "another shape of the only one": (
        [layer("dense/w", shape=(5,)), layer("conv2d/w")],
        [layer("dense/w", shape=(3,)), layer("conv2d/w")],
        {},
        {"dense/w": MISMATCHED, "conv2d/w": "conv2d/w"},
    ),
    "a root on either side, one of which says nothing": (
        [attribute("backbone/a/w"), attribute("backbone/b/w"), attribute("top/w")],
        [attribute("model/a/w"), attribute("model/b/w")],
        {},
        {"backbone/a/w": "model/a/w", "backbone/b/w": "model/b/w", "top/w": MISSING},
    ),
    "a root on either side, and both say something": (
        [attribute("encoder/a/w"), attribute("encoder/b/w")],
        [attribute("decoder/a/w"), attribute("decoder/b/w")],
        {},
        {"encoder/a/w": MISSING, "encoder/b/w": MISSING},
    ),
    "one of two like parts, called as the model is": (
        [layer("a/w"), layer("b/w")],
        [layer(f"{part}/{each}/w") for part in ("encoder", "decoder") for each in "ab"],
        {"called": "decoder"},
        {"a/w": "decoder/a/w", "b/w": "decoder/b/w"},
    ),
    "one of two like parts, called otherwise than the model": (
        [layer("a/w"), layer("b/w")],
        [layer(f"{part}/{each}/w") for part in ("encoder", "decoder") for each in "ab"],
        {"called": "coder"},
        dict.fromkeys(["a/w", "b/w"], AMBIGUOUS),
    ),
    "two parts that are called as the model is": (
        [layer("a/w"), layer("b/w")],
        [layer(f"{tower}/encoder/{each}/w") for tower in ("left", "right") for each in "ab"],
        {"called": "encoder"},
        dict.fromkeys(["a/w", "b/w"], AMBIGUOUS),
    ),
    "a part that is called as the model is, of which numbers are all that is known": (
        [*map(nameless, ["dense_4/w", "dense_5/w"])],
        [*map(nameless, ["encoder/dense/w", "encoder/dense_1/w", "decoder/dense_2/w", "decoder/dense_3/w"])],
        {"called": "encoder"},
        {"dense_4/w": "encoder/dense/w", "dense_5/w": "encoder/dense_1/w"},
    ),
    "a part that is called as the model is, and more of the model in another one": (
        [layer("a/w"), layer("b/w"), layer("out/w")],
        [layer("encoder/out/w"), *(layer(f"backbone/{each}/w") for each in ("a", "b", "out"))],
        {"called": "encoder"},
        {"a/w": AMBIGUOUS, "b/w": AMBIGUOUS, "out/w": AMBIGUOUS},
    ),
    "a part that is called as the model is, beside a number": (
        [nameless("dense_4/w")],
        [*map(nameless, ["dense/w", "encoder/dense_1/w"])],
        {"called": "encoder"},
        {"dense_4/w": "encoder/dense_1/w"},
    ),
    "a part that is called as the model is, and a number more": (
        [*map(nameless, ["dense_4/w", "dense_5/w", "dense_6/w"]), layer("out/w")],
        [*map(nameless, ["encoder/dense/w", "encoder/dense_1/w"]), layer("encoder/out/w"), layer("decoder/out/w")],
        {"called": "encoder"},
        dict.fromkeys(["dense_4/w", "dense_5/w", "dense_6/w"], AMBIGUOUS) | {"out/w": "encoder/out/w"},
    ),
    "a place in a list whose layer is called otherwise, and what lost its name there": (
        [
            *(attribute(f"blocks/{i}/norm/w", f"net/{name}/norm/w") for i, name in enumerate("acb")),
            *(attribute(f"blocks/{i}/ffn/w") for i in range(3)),
        ],
        [
            *(attribute(f"blocks/{i}/norm/w", f"net/{name}/norm/w") for i, name in enumerate("abc")),
            *(attribute(f"blocks/{i}/ffn/w") for i in range(3)),
        ],
        {},
        {f"blocks/0/{part}/w": f"blocks/0/{part}/w" for part in ("norm", "ffn")}
        | {f"blocks/{i}/{part}/w": AMBIGUOUS for i in (1, 2) for part in ("norm", "ffn")},
    ),
    "wrapped twice": (
        [attribute("net/body/a/w"), attribute("net/body/b/w"), attribute("net/top/w"), attribute("out/w")],
        [attribute("a/w"), attribute("b/w")],
        {},
        {"net/body/a/w": "a/w", "net/body/b/w": "b/w", "net/top/w": MISSING, "out/w": MISSING},
    ),
    "one name far below is no root": (
        [attribute("outer/body/a/w"), attribute("outer/body/c/w"), attribute("out/w")],
        [attribute("a/w")],
        {},
        {"outer/body/a/w": AMBIGUOUS, "outer/body/c/w": MISSING, "out/w": MISSING},
    ),
    "numbers alone do not tell where a model went": (
        [layer("body/dense/w"), layer("body/conv2d/w"), layer("dense_1/w")],
        [layer("dense/w"), layer("conv2d/w")],
        {},
        dict.fromkeys(["body/dense/w", "body/conv2d/w", "dense_1/w"], AMBIGUOUS),
    ),
    "numbers alone, but three layers are the whole file, and nothing is like them": (
        [*THREE_WITHIN, layer("dense/w", shape=(7,))],
        THREE,
        {},
        {f"body/{entry.name}": entry.name for entry in THREE} | {"dense/w": MISSING},
    ),
    "numbers alone, and three layers of a file with a head are the whole model": (
        THREE,
        [*THREE_WITHIN, layer("dense/w", shape=(7,))],
        {},
        {entry.name: f"body/{entry.name}" for entry in THREE},
    ),
    "numbers alone, three layers are a part of the file, and another part counts some of their class": (
        THREE,
        [*THREE_WITHIN, layer("tail/dense/w", shape=(7,)), layer("tail/dense_1/w", shape=(8,))],
        {},
        {entry.name: f"body/{entry.name}" for entry in THREE},
    ),
    "numbers alone, three layers are the whole file, but a chosen name meets elsewhere": (
        [*THREE_WITHIN[:2], layer("body/fc/w"), layer("fc/w", shape=(7,))],
        [*THREE[:2], layer("fc/w")],
        {},
        {"body/dense/w": "dense/w", "body/dense_1/w": "dense_1/w", "body/fc/w": AMBIGUOUS, "fc/w": AMBIGUOUS},
    ),
    "numbers alone, three layers are the whole file, and one beside them is like one of them": (
        [*THREE_WITHIN, layer("dense/w")],
        THREE,
        {},
        dict.fromkeys([*(f"body/{entry.name}" for entry in THREE), "dense/w"], AMBIGUOUS),
    ),
    "numbers alone, and three layers of a file with a head have another beside them": (
        [*THREE, layer("dense_1/w", shape=(8,))],
        [*THREE_WITHIN, layer("dense/w", shape=(7,))],
        {},
        dict.fromkeys([*(entry.name for entry in THREE), "dense_1/w"], AMBIGUOUS),
    ),
    "numbers alone, three layers are the whole file, and of two models within": (
        [*THREE_WITHIN, *(layer(f"tail/{entry.name}") for entry in THREE)],
        THREE,
        {},
        dict.fromkeys([f"{root}/{entry.name}" for root in ("body", "tail") for entry in THREE], AMBIGUOUS),
    ),
    "numbers alone, three layers are the whole file, and one of them was made wider": (
        [*THREE_WITHIN[:2], layer("body/conv2d/w", shape=(9,)), layer("dense/w", shape=(7,))],
        THREE,
        {},
        dict.fromkeys([f"body/{entry.name}" for entry in THREE], AMBIGUOUS) | {"dense/w": MISSING},
    ),
    "numbers alone, below a name that only the file has": (
        [nameless("dense/w")],
        [nameless("blocks/dense/w")],
        {},
        {"dense/w": AMBIGUOUS},
    ),
    "numbers alone, below a number that only the model has": (
        [layer("sequential/dense/w")],
        [layer("dense/w")],
        {},
        {"sequential/dense/w": "dense/w"},
    ),
    "numbers of one layer alone, below two that only the file has": (
        [layer("dense/w")],
        [layer("net/sequential/dense/w")],
        {},
        {"dense/w": AMBIGUOUS},
    ),
    "the only layer in one that has a name, of two in the file": (
        [layer("net/dense/w"), layer("head/w")],
        [op("net/dense/w"), op("net/dense_1/w"), op("head/w")],
        {},
        {"net/dense/w": AMBIGUOUS, "head/w": "head/w"},
    ),
    "the halves of a bidirectional layer that has no name now": (
        [layer("bidirectional/forward_layer/w"), layer("bidirectional/backward_layer/w"), layer("a/gamma")],
        [layer("a/forward_layer/w"), layer("a/backward_layer/w")],
        {},
        {
            "bidirectional/forward_layer/w": AMBIGUOUS,
            "bidirectional/backward_layer/w": AMBIGUOUS,
            "a/gamma": MISSING,
        },
    ),
    "a name of a part, and numbers that make more meet": (
        [*map(nameless, ["body/dense_4/w", "body/dense_5/w", "body/net_1/blocks/w"]), attribute("blocks/w")],
        [*map(nameless, ["dense/w", "dense_1/w", "net/blocks/w"])],
        {"automatic": frozenset({"net"})},
        dict.fromkeys(["body/dense_4/w", "body/dense_5/w", "body/net_1/blocks/w", "blocks/w"], AMBIGUOUS),
    ),
    "names of a file that are paths, and given names that meet by chance": (
        [attribute("f/w", "net/dense/w"), attribute("heads/d/f/w", "f/w")],
        [tensor("f/w"), tensor("heads/d/f/w")],
        {},
        {"f/w": "f/w", "heads/d/f/w": "heads/d/f/w"},
    ),
    "an attribute, and the name of the layer that was in it on another one": (
        [attribute("p/w", "net/new/w"), attribute("q/w", "net/one/w"), attribute("r/w", "net/r/w")],
        [attribute("p/w", "net/one/w"), attribute("r/w", "net/r/w")],
        {},
        {"p/w": AMBIGUOUS, "q/w": AMBIGUOUS, "r/w": "r/w"},
    ),
    "layers that traded attributes, or names": (
        [attribute("p/w", "net/two/w"), attribute("q/w", "net/one/w")],
        [attribute("p/w", "net/one/w"), attribute("q/w", "net/two/w")],
        {},
        {"p/w": AMBIGUOUS, "q/w": AMBIGUOUS},
    ),
    "layers that moved on by one attribute": (
        [attribute("p/w", "net/new/w"), attribute("q/w", "net/one/w"), attribute("r/w", "net/two/w")],
        [attribute("p/w", "net/one/w"), attribute("q/w", "net/two/w")],
        {},
        dict.fromkeys(["p/w", "q/w", "r/w"], AMBIGUOUS),
    ),
    "the layer of another attribute in the one of a layer that is gone": (
        [attribute("p/w", "net/two/w")],
        [attribute("p/w", "net/one/w"), attribute("q/w", "net/two/w")],
        {},
        {"p/w": AMBIGUOUS},
    ),
    "layers with names that traded wrappers without": (
        [
            mixed(f"bidirectional_{i}/layer/w", 0)._replace(given=(name_of(f"bidirectional_{i}/{each}/w"),))
            for i, each in ((2, "b"), (3, "a"))
        ],
        [
            mixed(f"bidirectional{i}/layer/w", 0)._replace(given=(name_of(f"bidirectional{i}/{each}/w"),))
            for i, each in (("", "a"), ("_1", "b"))
        ],
        {},
        {"bidirectional_2/layer/w": AMBIGUOUS, "bidirectional_3/layer/w": AMBIGUOUS},
    ),
    "a layer with another name in a wrapper without": (
        [
            mixed(f"bidirectional_{i}/layer/w", 0)._replace(given=(name_of(f"bidirectional_{i}/{each}/w"),))
            for i, each in ((2, "a"), (3, "new"))
        ],
        [
            mixed(f"bidirectional{i}/layer/w", 0)._replace(given=(name_of(f"bidirectional{i}/{each}/w"),))
            for i, each in (("", "a"), ("_1", "b"))
        ],
        {},
        {f"bidirectional_{i}/layer/w": f"bidirectional{j}/layer/w" for i, j in ((2, ""), (3, "_1"))},
    ),
    "an attribute whose layer has a name that nobody had": (
        [attribute("p/w", "net/new/w"), attribute("q/w", "net/two/w")],
        [attribute("p/w", "net/one/w"), attribute("q/w", "net/two/w")],
        {},
        {"p/w": "p/w", "q/w": "q/w"},
    ),
    "an attribute for a layer of a list that has lost one": (
        [attribute("first/w")._replace(paths=tuple(map(name_of, ("first/w", "blocks/0/w")))), attribute("out/w")],
        [
            attribute("first/w")._replace(paths=tuple(map(name_of, ("first/w", "blocks/0/w")))),
            attribute("blocks/1/w"),
            attribute("out/w"),
        ],
        {},
        {"first/w": AMBIGUOUS, "out/w": "out/w"},
    ),
    "an attribute for a layer of a list that stays as it is": (
        [attribute("first/w")._replace(paths=tuple(map(name_of, ("first/w", "blocks/0/w")))), attribute("new/w")],
        [attribute("first/w")._replace(paths=tuple(map(name_of, ("first/w", "blocks/0/w")))), attribute("out/w")],
        {},
        {"first/w": "first/w", "new/w": MISSING},
    ),
    "all names of arrays are those of the model, to the last number": (
        [attribute(f"rnn/cell/cells/{i}/w", f"rnn/lstm_cell_{2 + i}/w") for i in (0, 1)],
        [tensor("rnn/lstm_cell_2/w"), tensor("rnn/lstm_cell_3/w")],
        {},
        {f"rnn/cell/cells/{i}/w": f"rnn/lstm_cell_{2 + i}/w" for i in (0, 1)},
    ),
    "arrays of a model that was built anew, and is known by numbers only": (
        [attribute(f"rnn/cell/cells/{i}/w", f"rnn/lstm_cell_{4 + i}/w") for i in (0, 1)],
        [tensor("rnn/lstm_cell_2/w"), tensor("rnn/lstm_cell_3/w")],
        {},
        dict.fromkeys([f"rnn/cell/cells/{i}/w" for i in (0, 1)], AMBIGUOUS),
    ),
    "all but one of the names of arrays are those of the model": (
        [attribute(f"rnn/cell/cells/{i}/w", f"rnn/lstm_cell_{2 + i}/w") for i in (0, 1)],
        [tensor("rnn/lstm_cell_2/w"), tensor("rnn/lstm_cell_3/w"), tensor("rnn/lstm_cell_4/w")],
        {},
        dict.fromkeys([f"rnn/cell/cells/{i}/w" for i in (0, 1)], AMBIGUOUS),
    ),
    "paths and given names explain as much": (
        [attribute("a/w", "b/w"), attribute("b/w", "a/w")],
        [tensor("a/w"), tensor("b/w")],
        {},
        dict.fromkeys(["a/w", "b/w"], AMBIGUOUS),
    ),
    "a layer was removed whose name is the given one of a layer within": (
        [attribute("h/w"), attribute("a/c/w", "c/w"), attribute("a/fc/w", "fc/w")],
        [tensor("h/w"), tensor("c/w"), tensor("a/c/w"), tensor("a/fc/w")],
        {},
        {"h/w": "h/w", "a/c/w": "a/c/w", "a/fc/w": "a/fc/w"},
    ),
    "a layer within a model, and one beside it that had its name": (
        [attribute("new/w"), attribute("body/h/w", "h/w"), *(attribute(f"{name}/w", f"{name}/w") for name in "ab")],
        [attribute(f"model/{name}/w", f"{name}/w") for name in "hab"],
        {},
        {"new/w": MISSING, "body/h/w": AMBIGUOUS, "a/w": "model/a/w", "b/w": "model/b/w"},
    ),
    "a short name in a file that shortens none": (
        [attribute("a/w"), short("b/heads/e/w", "e/w"), short("new/c/w", "c/w")],
        [op("a/w"), op("b/heads/e/w"), op("c/w")],
        {},
        {"a/w": "a/w", "b/heads/e/w": "b/heads/e/w", "new/c/w": AMBIGUOUS},
    ),
    "the cell of a lone layer is no name": (
        [attribute("e/cell/w", "net/e/lstm_cell/w")],
        [attribute("e/cell/w"), layer("net/lstm/lstm_cell/w")._replace(paths=())],
        {"automatic": frozenset({"net"})},
        {"e/cell/w": "e/cell/w"},
    ),
    "a name that is a path or a given one, and shapes that tell which": (
        [attribute("h/w"), attribute("a/c/w", "c/w")],
        [tensor("h/w"), tensor("c/w", shape=(5,)), tensor("a/c/w")],
        {},
        {"h/w": "h/w", "a/c/w": "a/c/w"},
    ),
    "a root below which what meets has other shapes": (
        [attribute("b/head/w"), attribute("new/w", shape=(5,))],
        [attribute("b/head/w"), attribute("h/w"), attribute("head/w", shape=(5,))],
        {},
        {"b/head/w": "b/head/w", "new/w": MISSING},
    ),
    "a root below which what meets has the same shapes": (
        [attribute("b/head/w"), attribute("new/w")],
        [attribute("b/head/w"), attribute("h/w"), attribute("head/w")],
        {},
        {"b/head/w": AMBIGUOUS, "new/w": MISSING},
    ),
    "a head of its own in a model that wraps another twice": (
        [attribute("head/w"), attribute("outer/body/head/w")],
        [attribute("head/w"), attribute("gone/w")],
        {},
        {"head/w": AMBIGUOUS, "outer/body/head/w": AMBIGUOUS},
    ),
    "a head of its own, and the one that the file means is wider now": (
        [attribute("head/w"), attribute("body/head/w", shape=(5,))],
        [attribute("head/w"), attribute("gone/w")],
        {},
        {"head/w": AMBIGUOUS, "body/head/w": AMBIGUOUS},
    ),
    "a block of the model that has two of the file's names, and one of its own, as the file has": (
        [nameless("conv2d/w"), *(attribute(f"block/{each}/w") for each in ("conv1", "conv2", "norm"))],
        [attribute(f"model/{each}/w") for each in ("conv1", "conv2", "fc")],
        {},
        {"conv2d/w": MISSING, "block/conv1/w": AMBIGUOUS, "block/conv2/w": AMBIGUOUS, "block/norm/w": MISSING},
    ),
    "a block of the file that has two of the model's names, and one of its own, as the model has": (
        [attribute(f"{each}/w") for each in ("conv1", "conv2", "fc")],
        [attribute("net/stem/w"), *(attribute(f"net/block/{each}/w") for each in ("conv1", "conv2", "norm"))],
        {},
        {"conv1/w": AMBIGUOUS, "conv2/w": AMBIGUOUS, "fc/w": MISSING},
    ),
    "a part of a checkpoint, with another head": (
        [attribute(f"{each}/w") for each in ("conv1", "conv2", "fc")],
        [attribute("other/stem/w"), *(attribute(f"net/{each}/w") for each in ("conv1", "conv2", "head"))],
        {},
        {"conv1/w": "net/conv1/w", "conv2/w": "net/conv2/w", "fc/w": MISSING},
    ),
    "all of a checkpoint but what it counts, with another head": (
        [attribute("trunk/conv1/w"), attribute("fc/w")],
        [attribute("model/trunk/conv1/w"), attribute("model/head/w"), tensor("save_counter", shape=())],
        {},
        {"trunk/conv1/w": "model/trunk/conv1/w", "fc/w": MISSING},
    ),
    "a part of the model that has most names of the file, and another head": (
        [attribute("stem/w"), *(attribute(f"body/{each}/w") for each in ("a", "b", "c", "norm"))],
        [attribute(f"{each}/w") for each in ("a", "b", "c", "fc")],
        {},
        {"stem/w": MISSING, **{f"body/{each}/w": f"{each}/w" for each in "abc"}, "body/norm/w": MISSING},
    ),
    "names of layers are a person's, be there others on both sides": (
        [*(layer(f"body/{each}/w") for each in ("conv1", "conv2", "adapter")), layer("top/w")],
        [layer(f"{each}/w") for each in ("conv1", "conv2", "head")],
        {},
        {
            **{f"body/{each}/w": f"{each}/w" for each in ("conv1", "conv2")},
            "body/adapter/w": MISSING,
            "top/w": MISSING,
        },
    ),
    "a part of the model that has no names but some of the file": (
        [attribute("stem/w"), *(attribute(f"body/{each}/w") for each in ("conv1", "conv2"))],
        [attribute(f"{each}/w") for each in ("conv1", "conv2", "fc")],
        {},
        {"stem/w": MISSING, "body/conv1/w": "conv1/w", "body/conv2/w": "conv2/w"},
    ),
    "a part of the model that has all names of the file, and one of its own": (
        [attribute("stem/w"), *(attribute(f"body/{each}/w") for each in ("conv1", "conv2", "norm"))],
        [attribute(f"{each}/w") for each in ("conv1", "conv2")],
        {},
        {"stem/w": MISSING, "body/conv1/w": "conv1/w", "body/conv2/w": "conv2/w", "body/norm/w": MISSING},
    ),
    "names below a root, and numbers that meet without one": (
        [attribute("body/g/w"), attribute("body/c/w"), nameless("body/dense_1/w"), nameless("dense_2/w")],
        [attribute("g/w"), attribute("c/w"), nameless("dense/w"), attribute("gone/w")],
        {},
        {"body/g/w": "g/w", "body/c/w": "c/w", "body/dense_1/w": AMBIGUOUS, "dense_2/w": AMBIGUOUS},
    ),
    "names below a root, and one of them further below": (
        [attribute("body/a/w"), attribute("body/h/w"), attribute("body/new/h/w")],
        [attribute("a/w"), attribute("h/w"), attribute("gone/w")],
        {},
        {"body/a/w": "a/w", "body/h/w": "h/w", "body/new/h/w": MISSING},
    ),
    "names that meet as they stand, and one far below with numbers": (
        [attribute("f/w"), attribute("head/b/w"), *(nameless(f"head/heads/block/dense_{i}/w") for i in (1, 2))],
        [attribute("f/w"), attribute("head/b/w"), *(nameless(f"block/dense_{i}/w") for i in (1, 2))],
        {},
        {"f/w": "f/w", "head/b/w": "head/b/w"} | {f"head/heads/block/dense_{i}/w": AMBIGUOUS for i in (1, 2)},
    ),
    "a short name does not settle whose a tensor is": (
        [attribute("f/w"), attribute("d/f/w", "f/w")._replace(ops=(name_of("f/w"),))],
        [op("f/w")],
        {},
        dict.fromkeys(["f/w", "d/f/w"], AMBIGUOUS),
    ),
    "a layer within that the file may know by a shorter name": (
        [short("seq/net/dense/w", "seq/dense/w"), *(short(f"seq/dense_{i}/w", f"seq/dense_{i}/w") for i in (1, 2))],
        [short(f"seq/{name}/w", f"seq/{name}/w") for name in ("dense", "dense_1")],
        {"automatic": frozenset({"net"})},
        dict.fromkeys(["seq/net/dense/w", "seq/dense_1/w", "seq/dense_2/w"], AMBIGUOUS),
    ),
    "a tensor without a path, called after the scope of another variable": (
        [attribute("a/w"), attribute("deep/net/g/w", "g/w"), attribute("g/e/w", "g/x/w")],
        [attribute("a/w", "y/a/w"), attribute("g/w", "g/w")._replace(paths=())],
        {},
        {"a/w": "a/w", "deep/net/g/w": AMBIGUOUS, "g/e/w": AMBIGUOUS},
    ),
    "one layer was named, and one without a name came": (
        [nameless("net_1/renamed/w"), nameless("dense/w")],
        [nameless("dense/w")],
        {"automatic": frozenset({"net"})},
        {"net_1/renamed/w": MISSING, "dense/w": AMBIGUOUS},
    ),
    "the parts of a layer without a name are no chosen names": (
        [layer(f"{name}/w") for name in ("sequential/dense", "lstm/lstm_cell", "sequential_1/lstm_1/lstm_cell")],
        [op("sequential/lstm/lstm_cell/w")],
        {},
        {"sequential/dense/w": MISSING}
        | dict.fromkeys(["lstm/lstm_cell/w", "sequential_1/lstm_1/lstm_cell/w"], AMBIGUOUS),
    ),
    "a model that only the file has does not say nothing": (
        [layer(f"{name}/w") for name in ("dense", "dense_1", "sequential_1/dense_2", "sequential_1/dense_3")]
        + [layer("sequential_1/dense_4/w")],
        [op("sequential/dense/w"), op("sequential/dense_1/w")],
        {},
        {f"sequential_1/dense_{i}/w": MISSING for i in (2, 3, 4)} | dict.fromkeys(["dense/w", "dense_1/w"], AMBIGUOUS),
    ),
    "a bias of a layer of another kind": (
        [attribute("head/kernel"), attribute("head/bias"), attribute("a/w")],
        [attribute("head/depthwise_kernel"), attribute("head/bias"), attribute("a/w")],
        {},
        {"head/kernel": MISSING, "head/bias": MISMATCHED, "a/w": "a/w"},
    ),
    "a kernel that the other family of Keras calls otherwise": (
        [attribute("head/kernel", "head/depthwise_kernel"), attribute("head/bias")],
        [tensor("head/depthwise_kernel"), tensor("head/bias")],
        {},
        {"head/kernel": "head/depthwise_kernel", "head/bias": "head/bias"},
    ),
    "a bias of a layer of another kind, and somebody says so": (
        [attribute("head/kernel"), attribute("head/bias")],
        [attribute("old/depthwise_kernel"), attribute("old/bias")],
        {"rename": {"old/bias": "head/bias"}},
        {"head/kernel": MISSING, "head/bias": "old/bias"},
    ),
    "a rule chooses one of two models of like layers": (
        [layer("a/w"), layer("b/w")],
        [attribute("g/a/w"), attribute("g/b/w"), attribute("d/a/w"), attribute("d/b/w")],
        {"rename": {"g/": ""}},
        {"a/w": "g/a/w", "b/w": "g/b/w"},
    ),
    "a rule chooses a layer of two models of like layers": (
        [attribute("a/w"), attribute("b/w")],
        [attribute("g/a/w"), attribute("d/a/w"), attribute("d/b/w")],
        {"rename": {"g/": ""}},
        {"a/w": COLLIDED, "b/w": "d/b/w"},
    ),
    "the whole file meets as it stands": (
        [attribute("h/w"), attribute("new/h/w")],
        [attribute("h/w")],
        {},
        {"h/w": "h/w", "new/h/w": MISSING},
    ),
    "the whole file meets as it stands, and in a model without a name": (
        [called(layer("functional_1/h/w"), "h/w"), layer("h/w")],
        [layer("h/w")],
        {},
        {"functional_1/h/w": AMBIGUOUS, "h/w": AMBIGUOUS},
    ),
    "variables by number, and one has other dimensions": (
        [stored("g/vars/0", (2,)), stored("g/vars/1"), stored("h/vars/0")],
        [stored("g/vars/0", (2, 2)), stored("g/vars/1"), stored("h/vars/0")],
        {},
        {"g/vars/0": MISMATCHED, "g/vars/1": MISMATCHED, "h/vars/0": "h/vars/0"},
    ),
    "variables by number, and one is of another width": (
        [stored("g/vars/0", (3, 2)), stored("g/vars/1")],
        [stored("g/vars/0", (2, 2)), stored("g/vars/1")],
        {},
        {"g/vars/0": MISMATCHED, "g/vars/1": "g/vars/1"},
    ),
    "variables by number of layers of two classes": (
        [stored("g/vars/0", of="layer_normalization"), stored("h/vars/0", of="my_layer")],
        [stored("g/vars/0", of="batch_normalization"), stored("h/vars/0", of="dense")],
        {},
        {"g/vars/0": MISMATCHED, "h/vars/0": "h/vars/0"},
    ),
    "variables by number of a layer that has one less now": (
        [stored("g/vars/0", (3, 2)), stored("h/vars/0")],
        [stored("g/vars/0", (3, 2)), stored("g/vars/1"), stored("h/vars/0")],
        {},
        {"g/vars/0": AMBIGUOUS, "h/vars/0": "h/vars/0"},
    ),
    "a name in the model around that is a path in the model within": (
        [
            attribute("blocks/0/w")._replace(given=(name_of("net/fc/w"),)),
            *(attribute(f"backbone/{each}/w") for each in ("fc", "d", "blocks/0")),
        ],
        [tensor("fc/w"), tensor("d/w"), tensor("blocks/0/w"), tensor("g/w")],
        {},
        dict.fromkeys(["blocks/0/w", *(f"backbone/{each}/w" for each in ("fc", "d", "blocks/0"))], AMBIGUOUS),
    ),
    "an inner model has another name": (
        [layer("net_64/a/w"), layer("net_64/b/w"), layer("head/w")],
        [layer("net_32/a/w"), layer("net_32/b/w"), layer("head/w")],
        {},
        {"net_64/a/w": AMBIGUOUS, "net_64/b/w": AMBIGUOUS, "head/w": "head/w"},
    ),
    "an inner model has another name, and one of its layers another width": (
        [layer("net_64/a/w"), layer("net_64/b/w"), layer("head/w")],
        [layer("net_32/a/w"), layer("net_32/b/w", shape=(3,)), layer("head/w")],
        {},
        {"net_64/a/w": AMBIGUOUS, "net_64/b/w": MISSING, "head/w": "head/w"},
    ),
    "what is in an inner model of another name are attributes": (
        [mixed("net_64/a/w", 0), mixed("net_64/b/w", 0), layer("head/w")],
        [mixed("net_32/a/w", 0), mixed("net_32/b/w", 0), layer("head/w")],
        {},
        {"net_64/a/w": MISSING, "net_64/b/w": MISSING, "head/w": "head/w"},
    ),
    "one of two models of like layers came, and one went": (
        [layer("b/d/w"), layer("b/e/w"), layer("c/d/w"), layer("c/e/w")],
        [layer("a/d/w"), layer("a/e/w"), layer("b/d/w"), layer("b/e/w")],
        {},
        {"b/d/w": "b/d/w", "b/e/w": "b/e/w", "c/d/w": MISSING, "c/e/w": MISSING},
    ),
    "an inner model has another name, and layers without names left another one": (
        [layer("net_64/a/w"), layer("net_64/b/w"), layer("dense/w"), layer("dense_1/w"), layer("head/w")],
        [layer("net_32/a/w"), layer("net_32/b/w"), layer("stage/dense/w"), layer("stage/dense_1/w"), layer("head/w")],
        {},
        {**dict.fromkeys(["net_64/a/w", "net_64/b/w", "dense/w", "dense_1/w"], AMBIGUOUS), "head/w": "head/w"},
    ),
    "a layer went from one model into another": (
        [layer("body/a/w"), layer("neck/b/w"), layer("neck/c/w")],
        [layer("body/a/w"), layer("body/b/w"), layer("neck/c/w")],
        {},
        {"body/a/w": "body/a/w", "neck/b/w": AMBIGUOUS, "neck/c/w": "neck/c/w"},
    ),
    "a layer of that name, of other variables, came into another model": (
        [layer("body/a/w"), layer("neck/b/w"), layer("neck/b/v"), layer("neck/c/w")],
        [layer("body/a/w"), layer("body/b/w"), layer("neck/c/w")],
        {},
        {"body/a/w": "body/a/w", "neck/b/w": MISSING, "neck/b/v": MISSING, "neck/c/w": "neck/c/w"},
    ),
    "layers with names traded places, in a file that counts each class by itself": (
        [placed("b/v", 0), placed("dense/w", 1), placed("a/v", 2), placed("dense_1/w", 3)],
        [
            placed("a/v", 0, "conv"),
            placed("b/v", 1, "conv"),
            placed("dense/w", 0, "dense"),
            placed("dense_1/w", 1, "dense"),
        ],
        {},
        {"b/v": "b/v", "dense/w": AMBIGUOUS, "a/v": "a/v", "dense_1/w": AMBIGUOUS},
    ),
    "a layer with a name came, and one behind it went, in a file that counts each class by itself": (
        [placed("new/v", 0), placed("dense/w", 1), placed("a/v", 2), placed("dense_1/w", 3)],
        [
            placed("a/v", 0, "conv"),
            placed("b/v", 1, "conv"),
            placed("dense/w", 0, "dense"),
            placed("dense_1/w", 1, "dense"),
        ],
        {},
        {"new/v": MISSING, "dense/w": AMBIGUOUS, "a/v": "a/v", "dense_1/w": AMBIGUOUS},
    ),
    "the last layer has another name, in a file that counts each class by itself": (
        [placed("dense/w", 0), placed("a/v", 1), placed("dense_1/w", 2), placed("new/v", 3)],
        [
            placed("a/v", 0, "conv"),
            placed("b/v", 1, "conv"),
            placed("dense/w", 0, "dense"),
            placed("dense_1/w", 1, "dense"),
        ],
        {},
        {"dense/w": "dense/w", "a/v": "a/v", "dense_1/w": "dense_1/w", "new/v": MISSING},
    ),
    "layers of one class came, in a file that counts each class by itself": (
        [placed("conv2d/w", 0), placed("conv2d_1/w", 1), placed("dense/w", 2), placed("dense_1/w", 3)],
        [placed("conv2d/w", 0, "conv2d"), placed("conv2d_1/w", 1, "conv2d"), placed("dense/w", 0, "dense")],
        {},
        {"conv2d/w": "conv2d/w", "conv2d_1/w": "conv2d_1/w", "dense/w": AMBIGUOUS, "dense_1/w": AMBIGUOUS},
    ),
    "two branches traded places: what has no name stands behind all that has one": (
        BRANCHES,
        SWAPPED,
        {"joins": feeding("a dense", "b dense_1")},
        {"a/v": "a/v", "b/v": "b/v", "dense/w": AMBIGUOUS, "dense_1/w": AMBIGUOUS},
    ),
    "two layers traded places, and all without a name stands behind both": (
        BRANCHES,
        SWAPPED,
        {"joins": feeding("a dense", "b dense", "a dense_1", "b dense_1")},
        {entry.name: entry.name for entry in BRANCHES},
    ),
    "two layers traded places, and what has no name is in a row": (
        BRANCHES,
        SWAPPED,
        {"joins": feeding("a dense", "a dense_1", "b dense_1", "dense dense_1")},
        {entry.name: entry.name for entry in BRANCHES},
    ),
    "two layers traded places, and nobody knows what feeds what": (
        BRANCHES,
        SWAPPED,
        {},
        {"a/v": "a/v", "b/v": "b/v", "dense/w": AMBIGUOUS, "dense_1/w": AMBIGUOUS},
    ),
    "the only layer in an attribute is that of the file, if its own name is set aside as a root": (
        [in_attributes("net/heads/q/dense/w", "heads", "q"), nameless("dense_1/w"), nameless("dense_2/w")],
        [rooted("model/dense/w")._replace(given=())],
        {},
        {"net/heads/q/dense/w": AMBIGUOUS, "dense_1/w": MISSING, "dense_2/w": MISSING},
    ),
    "layers without names are fed by other inputs": (
        [fed("dense/w", "item"), fed("dense_1/w", "user")],
        [fed("dense/w", "user"), fed("dense_1/w", "item")],
        {},
        {"dense/w": AMBIGUOUS, "dense_1/w": AMBIGUOUS},
    ),
    "a layer without a name is fed by one more input": (
        [fed("dense/w", "user", "item"), fed("dense_1/w", "user")],
        [fed("dense/w", "item"), fed("dense_1/w", "user")],
        {},
        {"dense/w": "dense/w", "dense_1/w": "dense_1/w"},
    ),
    "inputs have other names": (
        [fed("dense/w", "u"), fed("dense_1/w", "item")],
        [fed("dense/w", "user"), fed("dense_1/w", "item")],
        {},
        {"dense/w": "dense/w", "dense_1/w": "dense_1/w"},
    ),
    "a model with a name, and all in it, is fed by another input": (
        [fed("net/dense/w", "item"), fed("net/dense_1/w", "item"), fed("head/w", "user", "item")],
        [fed("net/dense/w", "user"), fed("net/dense_1/w", "user"), fed("head/w", "user", "item")],
        {},
        {"net/dense/w": "net/dense/w", "net/dense_1/w": "net/dense_1/w", "head/w": "head/w"},
    ),
    "a layer of a list traded places, and another one in it has no name": (
        [called(attribute(f"all/{i}/w"), f"{name}/w") for i, name in enumerate(("a", "dense", "b", "dense_1"))],
        [called(attribute(f"all/{i}/w"), f"{name}/w") for i, name in enumerate(("b", "dense", "a", "dense_1"))],
        {},
        {"all/0/w": "all/2/w", "all/2/w": "all/0/w", "all/1/w": AMBIGUOUS, "all/3/w": AMBIGUOUS},
    ),
    "another layer stands among those that are numbered": (
        [placed("dense/w", 0), placed("fc/w", 1), placed("dense_1/w", 2)],
        [placed("dense/w", 0), placed("dense_1/w", 1), placed("fc/w", 2)],
        {},
        {"dense/w": AMBIGUOUS, "fc/w": "fc/w", "dense_1/w": AMBIGUOUS},
    ),
    "a layer of another name stands elsewhere among those that are numbered: it may be the same one": (
        [placed("dense/w", 0), placed("built_net/v", 1), placed("dense_1/w", 2)],
        [placed("dense/w", 0), placed("dense_1/w", 1), placed("net/v", 2)],
        {},
        {"dense/w": AMBIGUOUS, "built_net/v": MISSING, "dense_1/w": AMBIGUOUS},
    ),
    "a layer is of another class where only those of one class are in order": (
        [placed("lstm/v", 0), placed("dense/w", 1)],
        [by_class("cu_dnnlstm/v"), by_class("dense/w")],
        {},
        {"lstm/v": MISSING, "dense/w": "dense/w"},
    ),
    "a layer of another name stands where one did among those that are numbered, and another behind": (
        [placed("dense/w", 0), placed("built_net/v", 1), placed("dense_1/w", 2), placed("fc/v", 3)],
        [placed("dense/w", 0), placed("net/v", 1), placed("dense_1/w", 2)],
        {},
        {"dense/w": "dense/w", "built_net/v": MISSING, "dense_1/w": "dense_1/w", "fc/v": MISSING},
    ),
    "a layer whose name is lost stands elsewhere among those that are numbered": (
        [placed("net/v", 0), placed("dense/w", 1), placed("dense_1/w", 2)],
        [placed("dense/w", 0), placed("dense_1/w", 1), placed("3 of 3/v", 2)],
        {},
        {"net/v": MISSING, "dense/w": AMBIGUOUS, "dense_1/w": AMBIGUOUS},
    ),
    "a layer whose name is lost stands where it stood, and another one behind": (
        [placed("net/v", 0), placed("dense/w", 1), placed("dense_1/w", 2), placed("fc/v", 3)],
        [placed("1 of 3/v", 0), placed("dense/w", 1), placed("dense_1/w", 2)],
        {},
        {"net/v": MISSING, "dense/w": "dense/w", "dense_1/w": "dense_1/w", "fc/v": MISSING},
    ),
    "a layer of an inner model has the name, which the file may not name": (
        [
            inner("g/cell/w", "g/gru_cell/w", 0),
            inner("block/g/cell/w", "block/g/gru_cell/w", 1, 0),
            inner("out/w", "out/w", 2),
        ],
        [tensor("g/gru_cell/w"), tensor("out/w")],
        {},
        {"g/cell/w": AMBIGUOUS, "block/g/cell/w": AMBIGUOUS, "out/w": "out/w"},
    ),
    "a layer of an inner model has the name, which the file does name": (
        [
            inner("g/cell/w", "g/gru_cell/w", 0),
            inner("block/g/cell/w", "block/g/gru_cell/w", 1, 0),
            inner("block/k/w", "block/k/w", 1, 1),
        ],
        [tensor("g/gru_cell/w"), tensor("block/k/w")],
        {},
        {"g/cell/w": "g/gru_cell/w", "block/g/cell/w": MISSING, "block/k/w": "block/k/w"},
    ),
    "two models are numbered in one row, and the names in them tell them apart": (
        [
            inner("out/w", "sequential_3/out/w", 0),
            inner("g/sequential_2/a/w", "sequential_2/a/w", 1, 0, 0),
            inner("fc/q/w", "q/w", 2, 0),
            inner("fc/k/w", "k/w", 2, 1),
        ],
        [tensor("sequential_1/out/w"), tensor("sequential/a/w"), tensor("q/w"), tensor("k/w")],
        {},
        {"out/w": "sequential_1/out/w", "g/sequential_2/a/w": AMBIGUOUS, "fc/q/w": "q/w", "fc/k/w": "k/w"},
    ),
    "a root of the model against the very name of its only layer": (
        [attribute("q/norm/w")],
        [attribute("norm/w"), attribute("q/norm/w")],
        {},
        {"q/norm/w": "q/norm/w"},
    ),
    "a part of a model that has the names of the part itself, too": (
        [attribute("norm/w"), attribute("proj/w")],
        [attribute(f"{front}{each}/w") for front in ("", "block/") for each in ("norm", "proj")],
        {},
        {"norm/w": AMBIGUOUS, "proj/w": AMBIGUOUS},
    ),
    "the other part lies further down, under the one name that is there": (
        [attribute("block/w"), attribute("heads/v/d/d/w")],
        [attribute("d/w"), attribute("block/w")],
        {},
        {"block/w": "block/w", "heads/v/d/d/w": MISSING},
    ),
    "one given name has risen out of inner models": (
        [inner("d/cell/w", "d/gru_cell/w", 1), inner("backbone/fc/v", "fc/v", 0, 0)],
        [inner("1 of 2/1 of 1/d/cell/w", "d/gru_cell/w", 0, 0, 0), inner("2 of 2/v", "gru/v", 1)],
        {},
        {"d/cell/w": AMBIGUOUS, "backbone/fc/v": MISSING},
    ),
    "numbers alone, and a model within has layers of that class, too": (
        [layer("sequential/dense/w"), layer("sequential/dense_1/w"), layer("dense/w")],
        [layer("dense/w")],
        {},
        {"sequential/dense/w": MISSING, "sequential/dense_1/w": MISSING, "dense/w": AMBIGUOUS},
    ),
    "numbers alone, and a model within the file has layers of that class, too": (
        [layer("dense/w")],
        [layer("sequential/dense/w"), layer("sequential/dense_1/w"), layer("dense/w")],
        {},
        {"dense/w": AMBIGUOUS},
    ),
    "another layer stands before the only one of its class": (
        [placed("fc/w", 0), placed("dense/w", 1)],
        [placed("dense/w", 0), placed("fc/w", 1)],
        {},
        {"fc/w": "fc/w", "dense/w": "dense/w"},
    ),
    "another layer stands before the only one of its class, and one came": (
        [placed("dense/w", 0), placed("fc/w", 1), placed("new/w", 2)],
        [placed("fc/w", 0), placed("dense/w", 1)],
        {},
        {"fc/w": "fc/w", "dense/w": AMBIGUOUS, "new/w": MISSING},
    ),
    "one number under a name, and the same deep within the model": (
        [mixed("heads/dense/w", 1), mixed("blocks/0/body/heads/dense/w", 4)],
        [mixed("heads/dense/w", 1), attribute("fc/w")],
        {},
        {"heads/dense/w": AMBIGUOUS, "blocks/0/body/heads/dense/w": AMBIGUOUS},
    ),
    "one number under a name, and the name with a layer that has one deep within the model, with room for all": (
        [mixed("heads/dense/w", 1), mixed("body/heads/new/w", 2), mixed("body/dense_1/w", 1)],
        [mixed("heads/dense/w", 1), layer("dense_1/w")],
        {},
        dict.fromkeys(["heads/dense/w", "body/heads/new/w", "body/dense_1/w"], AMBIGUOUS),
    ),
    "one number under a name, and the name with a layer that has one deep within the file, with room for all": (
        [mixed("heads/dense/w", 1), layer("dense_1/w")],
        [mixed("heads/dense/w", 1), mixed("body/heads/new/w", 2), mixed("body/dense_1/w", 1)],
        {},
        dict.fromkeys(["heads/dense/w", "dense_1/w"], AMBIGUOUS),
    ),
    "one number under a name, and the name with a layer that has one deep within the model, without room for all": (
        [mixed("heads/dense/w", 1), mixed("body/heads/new/w", 2)],
        [mixed("heads/dense/w", 1), layer("dense_1/w")],
        {},
        {"heads/dense/w": "heads/dense/w", "body/heads/new/w": MISSING},
    ),
    "given names in a list below another name of the model": (
        [attribute("emb/w", "bart/emb/w"), attribute("blocks/0/w", "bart/low/w")],
        [tensor("bert/emb/w"), tensor("bert/low/w")],
        {"called": "bart"},
        {"emb/w": "bert/emb/w", "blocks/0/w": "bert/low/w"},
    ),
    "given names in a list below another name, not of the model": (
        [attribute("emb/w", "bart/emb/w"), attribute("blocks/0/w", "bart/low/w")],
        [tensor("bert/emb/w"), tensor("bert/low/w")],
        {},
        {"emb/w": "bert/emb/w", "blocks/0/w": MISSING},
    ),
    "numbers alone, and one of them may have got its name since": (
        [layer("dense/w"), layer("lstm/w", shape=(3,)), layer("body/fc/w", shape=(3,))],
        [layer("dense/w"), layer("lstm/w", shape=(3,))],
        {},
        {"dense/w": AMBIGUOUS, "lstm/w": AMBIGUOUS, "body/fc/w": MISSING},
    ),
    "of a layer that is stored by numbers one is of whole numbers, another wider": (
        [variable("a/vars/0", (4, 4), "int8"), variable("a/vars/1", (5,)), variable("a/vars/2", (4,))],
        [tensor("a/vars/0", (4, 4)), tensor("a/vars/1", (4,)), tensor("a/vars/2", (4,))],
        {},
        {"a/vars/0": Outcome.UNCASTABLE, "a/vars/1": MISMATCHED, "a/vars/2": MISMATCHED},
    ),
    "a scale of a weight that has another shape": (
        [attribute(f"a/{each}/w", shape=(3,)) for each in "xy"]
        + [attribute("e/kernel", shape=(4, 4)), attribute("e/kernel_scale", shape=(4,))],
        [attribute(f"a/{each}/w", shape=(3,)) for each in "xy"]
        + [attribute("e/kernel", shape=(4, 2)), attribute("e/kernel_scale", shape=(4,))],
        {},
        {"a/x/w": "a/x/w", "a/y/w": "a/y/w", "e/kernel": MISMATCHED, "e/kernel_scale": MISMATCHED},
    ),
    "a weight whose scale has another shape": (
        [attribute("e/kernel", shape=(4, 4)), attribute("e/kernel_scale", shape=(4,)), attribute("e/bias", shape=(4,))],
        [attribute("e/kernel", shape=(4, 4)), attribute("e/kernel_scale", shape=(2,)), attribute("e/bias", shape=(4,))],
        {},
        {"e/kernel": MISMATCHED, "e/kernel_scale": MISMATCHED, "e/bias": "e/bias"},
    ),
    "one name below a root of two segments": (
        [attribute(f"enc/v2/{each}/w") for each in ("enc/l1", "enc/out", "k", "out")],
        [attribute(f"enc/{each}/w") for each in ("enc/l1", "k", "out")],
        {},
        {f"enc/v2/{each}/w": MISSING for each in ("enc/l1", "k", "out")} | {"enc/v2/enc/out/w": AMBIGUOUS},
    ),
    "attributes that look like the names of other layers": (
        [attribute("dense_1/w", "net/dense/w"), attribute("dense_2/w", "net/dense_1/w")],
        [tensor("dense/w"), tensor("dense_1/w"), tensor("dense_2/w")],
        {},
        {"dense_1/w": AMBIGUOUS, "dense_2/w": AMBIGUOUS},
    ),
    "attributes that look so in a file of attributes": (
        [
            attribute("dense_1/w", "net/dense/w"),
            attribute("dense_2/w", "net/dense_1/w"),
            attribute("head/w", "net/dense_2/w"),
        ],
        [tensor("dense_1/w"), tensor("head/w")],
        {},
        {"dense_1/w": "dense_1/w", "dense_2/w": MISSING, "head/w": "head/w"},
    ),
    "a layer around is called as one within, in a file of names": (
        [layer("proj/w"), layer("backbone/proj/w"), layer("backbone/head/w"), layer("backbone/d/w")],
        [tensor("proj/w"), tensor("head/w"), tensor("d/w")],
        {},
        {"proj/w": AMBIGUOUS, "backbone/proj/w": AMBIGUOUS, "backbone/head/w": "head/w", "backbone/d/w": "d/w"},
    ),
    "a layer around is called as one below a root of the file": (
        [layer("norm/w"), *(mixed(f"backbone/norm/{each}/w", 0) for each in ("norm", "block", "out"))],
        [attribute(f"model/norm/{each}/w") for each in ("norm", "block", "out")],
        {},
        {
            "norm/w": MISSING,
            "backbone/norm/norm/w": "model/norm/norm/w",
            "backbone/norm/block/w": "model/norm/block/w",
            "backbone/norm/out/w": "model/norm/out/w",
        },
    ),
    "a layer of an inner model is called as an attribute of the file": (
        [mixed("body/head/w", 1)],
        [attribute("head/w")],
        {},
        {"body/head/w": AMBIGUOUS},
    ),
    "a number before names that were chosen, in a file of names": (
        [attribute("proj/cell/w", "net_3/proj/lstm_cell/w"), attribute("a/cell/w", "net_3/a/lstm_cell/w")],
        [tensor("net_1/proj/lstm_cell/w"), tensor("net_1/a/lstm_cell/w"), tensor("net/lstm/lstm_cell/w")],
        {"automatic": frozenset({"net"})},
        {"proj/cell/w": "net_1/proj/lstm_cell/w", "a/cell/w": "net_1/a/lstm_cell/w"},
    ),
    "one layer that is called as one of a model that was wrapped, in a file of names": (
        [layer("fc/w"), *(attribute(f"body/net/heads/{each}/w", f"seq/body/net/{each}/w") for each in ("fc", "d"))],
        [tensor("net/fc/w"), tensor("net/d/w")],
        {"automatic": frozenset({"net"})},
        {"fc/w": AMBIGUOUS, "body/net/heads/fc/w": AMBIGUOUS, "body/net/heads/d/w": "net/d/w"},
    ),
    "a layer of an inner model is called as a head that is gone, and the file lost the name of that model": (
        [*(called(layer(f"backbone/{each}/w"), f"{each}/w") for each in "xa"), layer("fc/w")],
        [
            *(called(rooted(f"model/1 of 3/{each}/w"), f"{each}/w") for each in "xa"),
            *(called(rooted(f"model/{each}/w"), f"{each}/w") for each in ("a", "out")),
        ],
        {},
        {"backbone/x/w": "model/1 of 3/x/w", "backbone/a/w": AMBIGUOUS, "fc/w": MISSING},
    ),
    "a new head is called as a layer of a model of which the file lost the name": (
        [*(called(layer(f"backbone/{each}/w"), f"{each}/w") for each in "xa"), layer("a/w")],
        [
            *(called(rooted(f"model/1 of 3/{each}/w"), f"{each}/w") for each in "xa"),
            *(called(rooted(f"model/{each}/w"), f"{each}/w") for each in ("out", "new")),
        ],
        {},
        {"backbone/x/w": "model/1 of 3/x/w", "backbone/a/w": AMBIGUOUS, "a/w": AMBIGUOUS},
    ),
    "a new head is called as a layer that was replaced in the model that it stands beside, whose root is contested": (
        [
            *(called(layer(f"backbone/{each}/w"), f"{each[2:]}/w") for each in ("q/a", "q/b")),
            called(layer("backbone/q/q/k"), "q/k"),
            called(layer("q/w"), "q/w"),
        ],
        [called(rooted(f"model/{each}/w"), f"{each[2:]}/w") for each in ("q/a", "q/b", "q/q")],
        {},
        {
            **{f"backbone/q/{each}/w": f"model/q/{each}/w" for each in "ab"},
            "backbone/q/q/k": MISSING,
            "q/w": AMBIGUOUS,
        },
    ),
    "a new head with more variables than the layer that meets in the model that it stands beside": (
        [
            called(layer("backbone/head/k"), "head/k"),
            called(layer("backbone/g/w"), "g/w"),
            *(called(layer(f"head/cell/{each}"), f"head/gru_cell/{each}") for each in "ab"),
        ],
        [
            called(layer("g/w"), "g/w"),
            *(called(layer(f"head/cell/{each}"), f"head/gru_cell/{each}") for each in "ab"),
        ],
        {},
        {"backbone/head/k": MISSING, "backbone/g/w": "g/w", "head/cell/a": AMBIGUOUS, "head/cell/b": AMBIGUOUS},
    ),
    "one name and numbers meet below a root that the other side has further up": (
        [
            layer(f"{each}/w")
            for each in ("embedding_1", "out/dense_4", "out/dense_5", "out/dense_6", "block", "dense_7", "dense_8")
        ],
        [rooted(f"model/{each}/w") for each in ("embedding", "out/dense_1", "out/dense_2", "out/block", "dense_3")],
        {},
        dict.fromkeys(
            (
                f"{each}/w"
                for each in ("embedding_1", "out/dense_4", "out/dense_5", "out/dense_6", "block", "dense_7", "dense_8")
            ),
            AMBIGUOUS,
        ),
    ),
    "a model in a list, and one within of which the file lost the name is not that": (
        [layer(f"blocks/0/{each}/w") for each in ("g/out", "q", "a")],
        [rooted(f"model/{each}/w") for each in ("1 of 3/out", "q", "a")],
        {},
        {"blocks/0/g/out/w": AMBIGUOUS, "blocks/0/q/w": "model/q/w", "blocks/0/a/w": "model/a/w"},
    ),
    "a model in a list, and one within of which the file lost the name may be that": (
        [layer(f"blocks/0/{each}/w") for each in ("q", "a")],
        [rooted(f"model/{each}/w") for each in ("1 of 3/q", "q", "a")],
        {},
        dict.fromkeys(["blocks/0/q/w", "blocks/0/a/w"], AMBIGUOUS),
    ),
    "a layer of a list of the model around is called as one of such a list in the saved one": (
        [
            *(attribute(f"backbone/{each}/w") for each in ("g", "out")),
            attribute("backbone/blocks/0/w", "net_1/backbone/a/w"),
            attribute("backbone/blocks/1/w", "net_1/backbone/q/w"),
            attribute("out/w"),
            attribute("blocks/0/w", "net_1/q/w"),
        ],
        [
            *(attribute(f"{each}/w") for each in ("g", "out")),
            attribute("blocks/0/w", "net/a/w"),
            attribute("blocks/1/w", "net/q/w"),
            attribute("gone/w"),
        ],
        {"automatic": frozenset({"net"})},
        {
            "backbone/g/w": AMBIGUOUS,
            "backbone/out/w": AMBIGUOUS,
            "out/w": AMBIGUOUS,
            **{f"{front}blocks/0/w": AMBIGUOUS for front in ("", "backbone/")},
            "backbone/blocks/1/w": AMBIGUOUS,
        },
    ),
    "a layer of an inner model that the file has as well is called as one beside it now": (
        [called(layer("q/w"), "sequential_1/q/w"), called(layer("v/q/w"), "sequential_1/v/q/w")],
        [called(layer("q/w"), "sequential/q/w"), called(layer("v/v/w"), "sequential/v/v/w")],
        {},
        {"q/w": "q/w", "v/q/w": MISSING},
    ),
    "a layer beside a model within is numbered as one of the saved model, the rest of which may be in there": (
        [*map(nameless, ("batch_normalization/w", "sequential/dense/w", "sequential/dense_1/w"))],
        [*map(nameless, ("batch_normalization/w", "dense/w"))],
        {},
        {"batch_normalization/w": AMBIGUOUS, "sequential/dense/w": MISSING, "sequential/dense_1/w": MISSING},
    ),
    "one layer of an inner model is called as one beside it in the file": (
        [layer("body/head/w"), layer("body/dense_7/w")],
        [layer("head/w"), layer("body/dense/w"), layer("body/dense_1/w")],
        {},
        {"body/head/w": AMBIGUOUS, "body/dense_7/w": MISSING},
    ),
    "layers of a model in a list are called as attributes of the file, one of which is gone": (
        [attribute("fc/w"), mixed("blocks/0/fc/w", 2), mixed("blocks/0/d/w", 2)],
        [attribute("model/d/w"), attribute("model/fc/w")],
        {},
        dict.fromkeys(["fc/w", "blocks/0/fc/w", "blocks/0/d/w"], AMBIGUOUS),
    ),
    "layers of a model in a list are called as an attribute of the file that is gone": (
        [attribute("a/w"), mixed("blocks/0/v/w", 2), mixed("blocks/0/v/b", 2), mixed("blocks/0/d/w", 2)],
        [attribute("model/a/w"), attribute("model/v/w"), attribute("model/v/b")],
        {},
        {"a/w": "model/a/w"} | dict.fromkeys(["blocks/0/v/w", "blocks/0/v/b"], AMBIGUOUS) | {"blocks/0/d/w": MISSING},
    ),
    "a layer in a list is called as an attribute of the file that is gone": (
        [attribute("a/w"), attribute("heads/0/w")._replace(blocks=((2, "b", 1),))],
        [attribute("a/w"), attribute("b/w")],
        {},
        {"a/w": "a/w", "heads/0/w": AMBIGUOUS},
    ),
    "an attribute of the model is called as a layer in a list of the file": (
        [attribute("a/w"), attribute("b/w")],
        [attribute("a/w"), attribute("heads/0/w")._replace(blocks=((2, "b", 1),))],
        {},
        {"a/w": "a/w", "b/w": AMBIGUOUS},
    ),
    "a layer in a list is called as an attribute of a block that is gone": (
        [attribute("a/w"), attribute("heads/0/w")._replace(blocks=((2, "b", 1),))],
        [attribute("a/w"), attribute("c/b/w"), attribute("c/d/w")],
        {},
        {"a/w": "a/w", "heads/0/w": MISSING},
    ),
    "a layer in a list is called as an attribute that is gone of a block": (
        [attribute("c/d/w"), attribute("heads/0/w")._replace(blocks=((2, "b", 1),))],
        [attribute("c/d/w"), attribute("c/b/w")],
        {},
        {"c/d/w": "c/d/w", "heads/0/w": AMBIGUOUS},
    ),
    "an attribute of another module is called so: it is no name of the layer": (
        [attribute("a/w"), attribute("x/b/w")],
        [attribute("a/w"), attribute("y/b/w")],
        {},
        {"a/w": "a/w", "x/b/w": MISSING},
    ),
    "an array that two roots give to two variables": (
        [short("backbone/d/net/d/w", "backbone/d/d/w"), short("backbone/q/w", "backbone/q/w"), short("d/w", "d/w")],
        [array("d/w"), array("q/w"), array("d/v/w")],
        {},
        {"backbone/d/net/d/w": AMBIGUOUS, "backbone/q/w": AMBIGUOUS, "d/w": AMBIGUOUS},
    ),
    "numbers at the root, and a part of the file fits elsewhere": (
        [layer("dense_7/w"), *(layer(f"backbone/{each}/w") for each in ("embedding", "dense_8", "dense_9"))],
        [nameless("embedding/w"), nameless("dense/w")],
        {},
        dict.fromkeys(
            ["dense_7/w", *(f"backbone/{each}/w" for each in ("embedding", "dense_8", "dense_9"))], AMBIGUOUS
        ),
    ),
    "a recurrent layer without a kernel for its state": (
        [attribute("rnn/kernel"), attribute("rnn/recurrent_kernel"), attribute("rnn/bias")],
        [attribute("rnn/kernel"), attribute("rnn/bias")],
        {},
        {"rnn/kernel": MISMATCHED, "rnn/recurrent_kernel": MISSING, "rnn/bias": MISMATCHED},
    ),
    "an inner layer by its short name": (
        [short("mid/a/w", "a/w"), short("b/w", "b/w")],
        [op("a/w"), op("b/w")],
        {},
        {"mid/a/w": "a/w", "b/w": "b/w"},
    ),
    "a new layer beside an inner model, in a file that names no inner models": (
        [short("norm/fc/w", "norm/fc/w"), short("norm/proj/fc/w", "norm/fc/w"), short("out/w", "out/w")],
        [array("norm/fc/w"), array("out/w")],
        {},
        {"norm/fc/w": AMBIGUOUS, "norm/proj/fc/w": AMBIGUOUS, "out/w": "out/w"},
    ),
    "a new layer beside an inner model, renamed": (
        [short("norm/fc/w", "norm/fc/w"), short("norm/proj/fc/w", "norm/fc/w"), short("out/w", "out/w")],
        [array("norm/fc/w"), array("out/w")],
        {"rename": {"norm/": "norm/proj/"}},
        {"norm/fc/w": MISSING, "norm/proj/fc/w": "norm/fc/w", "out/w": "out/w"},
    ),
    "a new layer with a number beside an inner model, in a file that names no inner models": (
        [short("norm/dense_5/w", "norm/dense_5/w"), short("norm/proj/dense_4/w", "norm/dense_4/w")],
        [array("norm/dense/w")],
        {},
        {"norm/dense_5/w": AMBIGUOUS, "norm/proj/dense_4/w": AMBIGUOUS},
    ),
    "a new layer beside an inner model, in a file that names such models": (
        [
            short("norm/fc/w", "norm/fc/w"),
            short("norm/proj/fc/w", "norm/fc/w"),
            short("norm/proj/d/w", "norm/d/w"),
        ],
        [array("norm/fc/w"), array("norm/proj/d/w")],
        {},
        {"norm/fc/w": "norm/fc/w", "norm/proj/fc/w": MISSING, "norm/proj/d/w": "norm/proj/d/w"},
    ),
    "numbers within a layer, as the file lists them": (
        [listed("net/conv1d_5/w"), listed("net/dense_2/w"), listed("net/conv1d_6/w")],
        [array("net/conv1d/w"), array("net/dense/w"), array("net/conv1d_1/w")],
        {},
        {"net/conv1d_5/w": "net/conv1d/w", "net/dense_2/w": "net/dense/w", "net/conv1d_6/w": "net/conv1d_1/w"},
    ),
    "numbers within a layer, and another one moved among them": (
        [listed("net/conv1d_5/w"), listed("net/dense_2/w"), listed("net/conv1d_6/w")],
        [array("net/conv1d/w"), array("net/conv1d_1/w"), array("net/dense/w")],
        {},
        {"net/conv1d_5/w": AMBIGUOUS, "net/dense_2/w": "net/dense/w", "net/conv1d_6/w": AMBIGUOUS},
    ),
    "numbers within a layer, and a named one moved among them": (
        [listed("net/conv1d_5/w"), listed("net/a/w"), listed("net/conv1d_6/w")],
        [array("net/conv1d/w"), array("net/conv1d_1/w"), array("net/a/w")],
        {},
        {"net/conv1d_5/w": AMBIGUOUS, "net/a/w": "net/a/w", "net/conv1d_6/w": AMBIGUOUS},
    ),
    "numbers within a layer that is all there is now, and a named one moved among them": (
        [listed("conv1d_5/w"), listed("a/w"), listed("conv1d_6/w")],
        [array("net/conv1d/w"), array("net/conv1d_1/w"), array("net/a/w")],
        {"called": "net"},
        {"conv1d_5/w": AMBIGUOUS, "a/w": "net/a/w", "conv1d_6/w": AMBIGUOUS},
    ),
    "numbers within a layer, of which one in the middle was frozen and is": (
        [listed("net/conv1d_5/w"), listed("net/dense_2/w")._replace(frozen=True), listed("net/conv1d_6/w")],
        [array("net/conv1d/w"), array("net/conv1d_1/w"), array("net/dense/w")],
        {},
        {"net/conv1d_5/w": "net/conv1d/w", "net/dense_2/w": "net/dense/w", "net/conv1d_6/w": "net/conv1d_1/w"},
    ),
    "numbers within a layer, of which the first was frozen": (
        [listed("net/conv1d_5/w"), listed("net/dense_2/w"), listed("net/conv1d_6/w")],
        [array("net/dense/w"), array("net/conv1d_1/w"), array("net/conv1d/w")],
        {},
        {"net/conv1d_5/w": "net/conv1d/w", "net/dense_2/w": "net/dense/w", "net/conv1d_6/w": "net/conv1d_1/w"},
    ),
    "a name that Keras gives to a layer of an inner model as well": (
        [inner("a/w", "a/w", 1), inner("a/v", "a/v", 1), inner("b/a/w", "a/w", 2, 1)],
        [tensor("a/w"), tensor("a/v")],
        {},
        dict.fromkeys(["a/w", "a/v", "b/a/w"], AMBIGUOUS),
    ),
    "a name that Keras gives to a layer of an inner model as well, and the file names that model": (
        [inner("a/w", "a/w", 1), inner("b/a/w", "a/w", 2, 1), inner("b/c/w", "c/w", 2, 2)],
        [tensor("a/w"), tensor("b/c/w")],
        {},
        {"a/w": "a/w", "b/a/w": MISSING, "b/c/w": "b/c/w"},
    ),
    "layers without names, some of which lie in an inner model now": (
        [inner("model/gru/w", "gru/w", 1, 1), inner("dense/w", "dense/w", 2)],
        [inner("gru/w", "gru/w", 1), inner("dense/w", "dense/w", 2)],
        {},
        {"model/gru/w": AMBIGUOUS, "dense/w": AMBIGUOUS},
    ),
    "a layer without a name beside a model in which those with names lie now": (
        [inner("model/a/w", "a/w", 1, 1), inner("model/b/w", "b/w", 1, 2), inner("dense/w", "dense/w", 2)],
        [inner("a/w", "a/w", 1), inner("b/w", "b/w", 2), inner("dense/w", "dense/w", 3)],
        {},
        {"model/a/w": "a/w", "model/b/w": "b/w", "dense/w": AMBIGUOUS},
    ),
    "names made of the automatic one of the layer around": (
        [layer("net_3/net_3_a/w"), layer("net_3/net_3_b/w")],
        [layer("net/net_a/w"), layer("net/net_b/w")],
        {"automatic": {"net"}},
        {"net_3/net_3_a/w": "net/net_a/w", "net_3/net_3_b/w": "net/net_b/w"},
    ),
    "names made of an automatic one, and others": (
        [within("net_3", "dense/net_3_a/w")],
        [layer("dense/net_a/w"), layer("dense/b/w")],
        {"automatic": {"net"}},
        {"dense/net_3_a/w": "dense/net_a/w"},
    ),
    "names made of an automatic one, of which the file has two": (
        [within("net_3", "dense/net_3_a/w")],
        [layer("dense/net_a/w"), layer("dense/net_1_a/w")],
        {"automatic": {"net"}},
        {"dense/net_3_a/w": MISSING},
    ),
    "names made of an automatic one, of which the file has two, and one is called so": (
        [layer("dense/net_a/w")],
        [layer("dense/net_a/w"), layer("dense/net_1_a/w")],
        {"automatic": {"net"}},
        {"dense/net_a/w": "dense/net_a/w"},
    ),
    "names that look like such, of no layer that is called so": (
        [layer("dense/net_3_a/w"), layer("net/b/w")],
        [layer("dense/net_a/w"), layer("net/b/w")],
        {"automatic": {"net"}},
        {"dense/net_3_a/w": MISSING, "net/b/w": "net/b/w"},
    ),
    "names that look like such, of a class that the model has not": (
        [layer("dense/out_3_a/w")],
        [layer("dense/out_a/w")],
        {"automatic": {"net"}},
        {"dense/out_3_a/w": MISSING},
    ),
    "numbers of arrays, one of which may be of a layer in an inner model": (
        [
            inner("fc/w", "s/fc/w", 1),
            inner("mid/dense/w", "mid/dense/w", 2, 1),
            inner("dense_1/w", "s/dense_1/w", 3),
            inner("dense_2/w", "s/dense_2/w", 4),
        ],
        [tensor("fc/w"), tensor("dense/w"), tensor("dense_1/w")],
        {},
        {"fc/w": "fc/w", "mid/dense/w": MISSING, "dense_1/w": AMBIGUOUS, "dense_2/w": AMBIGUOUS},
    ),
    "a layer that the file has in another inner model, whose name it lost": (
        [called(layer("d/fc/w"), "fc/w"), called(placed("1 of 2/fc/w", 1), "head/fc/w"), layer("out/w")],
        [called(layer("1 of 2/fc/w"), "fc/w"), layer("out/w")],
        {},
        {"d/fc/w": AMBIGUOUS, "1 of 2/fc/w": "1 of 2/fc/w", "out/w": "out/w"},
    ),
    "a block has in a list now what it had in attributes, and another block has layers of the same names": (
        [kept("x/fc/w", "x", "fc"), kept("y/all/dense/w", "y", "fc"), kept("y/all/norm/v", "y", "new")],
        [kept("x/fc/w", "x", "fc"), kept("y/fc/w", "y", "fc"), kept("y/norm/v", "y", "norm")],
        {},
        {"x/fc/w": "x/fc/w", "y/all/dense/w": AMBIGUOUS, "y/all/norm/v": MISSING},
    ),
    "a model was renamed, and a new layer is called as one in it": (
        [*map(nameless, ("enc/x/w", "enc/a/w", "enc/b/w", "a/w"))],
        [*map(nameless, ("body/x/w", "body/a/w", "body/b/w", "out/w"))],
        {},
        {"enc/x/w": AMBIGUOUS, "enc/a/w": MISSING, "enc/b/w": AMBIGUOUS, "a/w": AMBIGUOUS},
    ),
    "a model of the file was renamed, and one was put around the saved one": (
        [*map(attribute, ("body/a/w", "body/b/w", "out/w"))],
        [*map(attribute, ("old/a/w", "old/b/w", "a/w", "b/w"))],
        {},
        {"body/a/w": AMBIGUOUS, "body/b/w": AMBIGUOUS, "out/w": MISSING},
    ),
    "a layer of a new model further down, called as one of a model that is gone": (
        [inner("top/w", "top/w", 1), inner("fc/new/out/w", "out/w", 2, 2, 1)],
        [inner("top/w", "top/w", 2), inner("1 of 3/out/w", "out/w", 1, 1)],
        {},
        {"top/w": "top/w", "fc/new/out/w": AMBIGUOUS},
    ),
    "a model was wrapped, and a new layer is called as one of it to which only a given name leads": (
        [*map(nameless, ("net/a/w", "net/b/w")), inner("head/w", "head/w", 2)],
        [*map(nameless, ("a/w", "b/w")), tensor("x/head/w")._replace(paths=())],
        {},
        {"net/a/w": "a/w", "net/b/w": "b/w", "head/w": AMBIGUOUS},
    ),
    "a new layer is called as one of a layer whose name the file lost": (
        [
            inner("q/w", "q/w", 1),
            lacking(inner("d/head/w", "d/head/w", 2, 1), "2 of 3/head/w"),
            lacking(inner("functional/head/w", "head/w", 3, 1), "3 of 3/head/w"),
        ],
        [inner("q/w", "q/w", 1), inner("2 of 2/head/w", "head/w", 2, 1)],
        {},
        {"q/w": "q/w", "d/head/w": AMBIGUOUS, "functional/head/w": AMBIGUOUS},
    ),
    "arrays of a model within and of a layer beside it, whose attributes are called otherwise": (
        [called(attribute("proj/_query/w"), "proj/query/w"), inner("norm/fc/w", "fc/w", 2, 1)],
        [tensor("proj/query/w"), tensor("fc/w")],
        {},
        {"proj/_query/w": "proj/query/w", "norm/fc/w": "fc/w"},
    ),
    "models in a row, and the file lost the name of one": (
        [lacking(nameless("sequential_4/w"), "sequential_4/w"), lacking(nameless("sequential_6/fc/w"), "2 of 2/fc/w")],
        [nameless("sequential/w"), nameless("2 of 2/fc/w")],
        {},
        {"sequential_4/w": "sequential/w", "sequential_6/fc/w": "2 of 2/fc/w"},
    ),
    "models in a row, and the file lost the name of another than the model would": (
        [lacking(nameless("sequential_4/fc/w"), "1 of 2/fc/w"), lacking(nameless("sequential_6/w"), "sequential_6/w")],
        [nameless("sequential/w"), nameless("2 of 2/fc/w")],
        {},
        dict.fromkeys(["sequential_4/fc/w", "sequential_6/w"], AMBIGUOUS),
    ),
    "models in a row, and the file has but one": (
        [lacking(nameless("sequential_4/w"), "sequential_4/w"), lacking(nameless("sequential_6/fc/w"), "2 of 2/fc/w")],
        [nameless("sequential/w")],
        {},
        {"sequential_4/w": AMBIGUOUS, "sequential_6/fc/w": MISSING},
    ),
    "one of two moved behind a layer of another class, of which there are more now": (
        [
            placed("conv2d/w", 0),
            placed("batch_normalization/w", 1),
            placed("conv2d_1/w", 2),
            placed("batch_normalization_1/w", 3),
        ],
        [placed("batch_normalization/w", 0), placed("conv2d/w", 1), placed("conv2d_1/w", 2)],
        {},
        {f"{name}/w": AMBIGUOUS for name in ("conv2d", "conv2d_1", "batch_normalization", "batch_normalization_1")},
    ),
    "layers of another class came between two": (
        [
            placed("batch_normalization/w", 0),
            placed("conv2d/w", 1),
            placed("batch_normalization_1/w", 2),
            placed("conv2d_1/w", 3),
        ],
        [placed("batch_normalization/w", 0), placed("conv2d/w", 1), placed("conv2d_1/w", 2)],
        {},
        {"conv2d/w": "conv2d/w", "conv2d_1/w": "conv2d_1/w"}
        | dict.fromkeys(["batch_normalization/w", "batch_normalization_1/w"], AMBIGUOUS),
    ),
    "a model was wrapped among layers that are all called as its own": (
        [nameless("net/v/w"), nameless("net/proj/w"), nameless("v/w"), nameless("proj/w"), nameless("new/w")],
        [nameless("v/w"), nameless("proj/w")],
        {},
        dict.fromkeys(["net/v/w", "net/proj/w", "v/w", "proj/w"], AMBIGUOUS) | {"new/w": MISSING},
    ),
    "a layer of a model whose name the file lost, and a new one that is called so": (
        [inner("other/w", "other/w", 1), inner("fc/w", "fc/w", 2), inner("v/fc/w", "fc/w", 3, 1)],
        [rooted("model/sep/w"), rooted("model/2 of 2/fc/w")],
        {},
        {"other/w": MISSING, "fc/w": AMBIGUOUS, "v/fc/w": MISSING},
    ),
    "a layer of several parts whose name is gone, and two new ones of which one has a name": (
        [
            layer("dense/q/w"),
            layer("dense/k/w"),
            layer("new/q/w"),
            layer("new/k/w"),
            *map(layer, ("body/net/dense_1/q/w", "body/net/dense_1/k/w")),
        ],
        [layer("net/proj/q/w"), layer("net/proj/k/w")],
        {},
        {"dense/q/w": AMBIGUOUS, "dense/k/w": AMBIGUOUS}
        | {f"{each}/w": MISSING for each in ("new/q", "new/k", "body/net/dense_1/q", "body/net/dense_1/k")},
    ),
    "a bias of a layer whose kernel has other dimensions": (
        [attribute("fc/kernel", shape=(4, 4)), attribute("fc/bias"), attribute("out/w")],
        [attribute("fc/kernel", shape=(1, 4, 4)), attribute("fc/bias"), attribute("out/w")],
        {},
        {"fc/kernel": MISMATCHED, "fc/bias": MISMATCHED, "out/w": "out/w"},
    ),
    "a place in a list where another name stands now": (
        [attribute("blocks/0/w", "net/a/w"), attribute("blocks/1/w", "net/new/w")],
        [attribute("blocks/0/w", "net/a/w"), attribute("blocks/1/w", "net/b/w")],
        {},
        {"blocks/0/w": "blocks/0/w", "blocks/1/w": AMBIGUOUS},
    ),
    "a class that is called as the third of another one": (
        [layer("block_1/w"), layer("block_2_1/w")],
        [layer("block/w"), layer("block_2/w")],
        {"automatic": frozenset({"block", "block_2"})},
        {"block_1/w": "block/w", "block_2_1/w": "block_2/w"},
    ),
    "a class that is called as the third of another one, and one more of it": (
        [layer("block/w"), layer("block_2/w"), layer("block_2_1/w")],
        [layer("block/w"), layer("block_2/w")],
        {"automatic": frozenset({"block", "block_2"})},
        dict.fromkeys(["block/w", "block_2/w", "block_2_1/w"], AMBIGUOUS),
    ),
    "a model without names in another one with as many layers, one of which is gone within": (
        [*map(nameless, ("dense/w", "conv1d/w", "functional/dense_1/w"))],
        [*map(nameless, ("dense/w", "conv1d/w"))],
        {},
        {"dense/w": AMBIGUOUS, "conv1d/w": AMBIGUOUS, "functional/dense_1/w": MISSING},
    ),
    "a rule that spells out one of several numbers": (
        [layer("dense_3/w"), layer("dense_4/w"), layer("conv1d/w")],
        [layer("dense/w"), layer("dense_1/w"), layer("dense_2/w"), layer("conv1d/w")],
        {"rename": {"dense_1": "dense_3"}},
        {"dense_3/w": "dense_1/w", "dense_4/w": AMBIGUOUS, "conv1d/w": "conv1d/w"},
    ),
    "what a layer and the one around it store is that of the inner one": (
        [wrapping("s/layer/vars/0", "s/vars/0"), stored("s/vars/1")],
        [stored("s/vars/0"), stored("s/layer/vars/0"), stored("s/vars/1")],
        {},
        {"s/vars/0": "s/layer/vars/0", "s/vars/1": "s/vars/1"},
    ),
    "what two layers side by side store may be either": (
        [wrapping("r/vars/0", "s/vars/0"), stored("s/vars/1")],
        [stored("s/vars/0"), stored("r/vars/0"), stored("s/vars/1")],
        {},
        {"s/vars/0": AMBIGUOUS, "s/vars/1": "s/vars/1"},
    ),
    "what the layer around has in another shape is no copy": (
        [wrapping("s/layer/vars/0", "s/vars/0"), stored("s/vars/1")],
        [stored("s/vars/0", (3,)), stored("s/layer/vars/0"), stored("s/vars/1")],
        {},
        {"s/vars/0": AMBIGUOUS, "s/vars/1": "s/vars/1"},
    ),
    "a short name of two": (
        [short("mid/a/w", "a/w"), short("low/a/w", "a/w"), short("b/w", "b/w")],
        [op("a/w"), op("a_1/w"), op("b/w")],
        {},
        {"mid/a/w": AMBIGUOUS, "low/a/w": AMBIGUOUS, "b/w": "b/w"},
    ),
    "a short name that says no more than an open path": (
        [
            *(short(f"backbone/{name}", name) for name in ("a/w", "out/w")),
            short("backbone/head/head/w", "head/head/w"),
            *(short(name, name) for name in ("head/w", "a/w")),
        ],
        [array("head/w"), array("out/w"), array("a/w")],
        {},
        {
            **dict.fromkeys(["backbone/a/w", "head/w", "a/w"], AMBIGUOUS),
            "backbone/out/w": "out/w",
            "backbone/head/head/w": MISSING,
        },
    ),
    "an attention has other paths than names, and what meets by paths lies within a model": (
        [called(layer("net/v/w"), "v/w"), called(layer("a/_query_dense/w"), "a/query/w"), layer("p/w")],
        [layer("v/w"), layer("a/query/w"), layer("p/b")],
        {},
        {"net/v/w": "v/w", "a/_query_dense/w": "a/query/w", "p/w": MISSING},
    ),
    "the one layer in a layer that somebody named, whatever came beside that": (
        [
            *(called(layer(f"{at}/layer/w"), f"{at}/dense_{i}/w") for i, at in enumerate(("fin", "new"), 4)),
            layer("a/w"),
        ],
        [tensor("net/fin/dense/w"), tensor("net/a/w")],
        {"automatic": frozenset({"net"})},
        {"fin/layer/w": "net/fin/dense/w", "new/layer/w": MISSING, "a/w": "net/a/w"},
    ),
    "one more layer in a layer that somebody named": (
        [layer("fin/dense_4/w"), layer("fin/dense_5/w"), layer("a/w")],
        [layer("fin/dense/w"), layer("a/w")],
        {},
        {"fin/dense_4/w": AMBIGUOUS, "fin/dense_5/w": AMBIGUOUS, "a/w": "a/w"},
    ),
    "a layer that is called cell, below a root": (
        [layer("a/w"), layer("cell/w")],
        [rooted("model/a/w"), rooted("model/cell/w")],
        {},
        {"a/w": "model/a/w", "cell/w": "model/cell/w"},
    ),
    "one name and numbers in arrays of a model without a name, in which a model has one now": (
        [*(called(layer(f"{name}/w"), f"sequential_2/{name}/w") for name in ("a", "dense_5", "enc/dense_4"))],
        [*map(tensor, ("sequential_1/a/w", "sequential_1/dense_3/w", "sequential_1/sequential/dense_2/w"))],
        {},
        {"a/w": "sequential_1/a/w", "dense_5/w": AMBIGUOUS, "enc/dense_4/w": MISSING},
    ),
    "one layer of a model of which a checkpoint knows but names, wrapped, and a new one called as it": (
        [called(mixed("backbone/blocks/0/w", 0), "backbone/head/w"), layer("head/w")],
        [layer(f"net/{name}/w")._replace(paths=()) for name in ("head", "q")],
        {"automatic": frozenset({"net"})},
        {"backbone/blocks/0/w": MISSING, "head/w": AMBIGUOUS},
    ),
    "arrays of a model without a name, in another one now, and a new layer called as one of it": (
        [
            *(called(layer(f"backbone/sequential_2/{name}/w"), f"sequential_2/{name}/w") for name in ("out", "a")),
            called(layer("backbone/dense_1/w"), "backbone/dense_1/w"),
            *(called(layer(f"{name}/w"), f"sequential_3/{name}/w") for name in ("new", "out")),
        ],
        [*map(layer, ("sequential/out/w", "sequential/a/w", "sequential_1/dense/w"))],
        {},
        {
            **{f"backbone/sequential_2/{name}/w": AMBIGUOUS for name in ("out", "a")},
            "backbone/dense_1/w": MISSING,
            "new/w": MISSING,
            "out/w": AMBIGUOUS,
        },
    ),
    "a given name lies below a root, and a place in an attribute of which the file knows no names": (
        [
            *(
                called(mixed(f"block/{name}/w", 1), f"{name}/w")._replace(
                    paths=tuple(mixed(f"block/{each}/w", 1).paths[0] for each in (name, place))
                )
                for name, place in (("head", "1 of 2"), ("v", "2 of 2"))
            ),
            attribute("blocks/0/out/b", "out/b"),
        ],
        [
            *(mixed(f"model/block/{i} of 2/w", 2) for i in (1, 2)),
            *(tensor(f"a/{name}")._replace(paths=()) for name in ("v/w", "out/b")),
        ],
        {},
        {"block/head/w": "model/block/1 of 2/w", "block/v/w": AMBIGUOUS, "blocks/0/out/b": "a/out/b"},
    ),
    "a given name beside both models that the saved one may be": (
        [
            attribute("heads/backbone/new/out/w", "net_1/backbone/net/out/w"),
            attribute("heads/backbone/out/w", "net_1/backbone/out/w"),
            attribute("heads/q/w", "net_1/q/w"),
        ],
        [attribute("model/out/w"), attribute("model/out/w")._replace(key="q", paths=(), given=(name_of("net/q/w"),))],
        {},
        dict.fromkeys(["heads/backbone/new/out/w", "heads/backbone/out/w", "heads/q/w"], AMBIGUOUS),
    ),
    "layers that may have risen, and no tensor that may be theirs": (
        [attribute(f"net/{name}/w", f"{name}/w") for name in "gh"],
        [inner(f"deep/inner/{name}/w", f"{name}/w", 0, 1, 2) for name in "gh"],
        {},
        {"net/g/w": "deep/inner/g/w", "net/h/w": "deep/inner/h/w"},
    ),
    "layers that may have risen, and a tensor without a name that may be theirs": (
        [attribute(f"net/{name}/w", f"{name}/w") for name in "gh"],
        [
            *(inner(f"deep/inner/{name}/w", f"{name}/w", 0, 1, 2) for name in "gh"),
            *(attribute(f"optimizer/{i}", nameless=True) for i in range(2)),
        ],
        {},
        dict.fromkeys(["net/g/w", "net/h/w"], AMBIGUOUS),
    ),
    "a wrapped model whose layer lost a bias, beside a layer of the name of one within": (
        [
            *(layer(f"backbone/{name}") for name in ("a/w", "b/kernel", "c/w", "d/w", "p/fc/w", "p/out/w")),
            layer("fc/w"),
        ],
        [layer(name) for name in ("a/w", "b/kernel", "b/bias", "c/w", "d/w", "p/fc/w", "p/out/w")],
        {},
        {
            **{f"backbone/{name}": name for name in ("a/w", "b/kernel", "c/w", "d/w", "p/fc/w", "p/out/w")},
            "fc/w": MISSING,
        },
    ),
    "models without names that traded their places in a list, by how much given names tell": (
        [
            attribute("blocks/0/d/w", "net/sequential_2/dense_7/w"),
            attribute("blocks/1/d/w", "dense_8/w"),
            attribute("a/w", "net/a/w"),
            attribute("b/w", "dense_9/w"),
        ],
        [
            attribute("blocks/0/d/w", "dense_2/w"),
            attribute("blocks/1/d/w", "net/sequential/dense_3/w"),
            attribute("a/w", "net/a/w"),
        ],
        {},
        {**dict.fromkeys(["blocks/0/d/w", "blocks/1/d/w", "b/w"], AMBIGUOUS), "a/w": "a/w"},
    ),
    "models in a list of which one side tells less of all": (
        [attribute(f"blocks/{i}/d/w", f"net/sequential_{i}/dense_{i}/w") for i in (1, 2)],
        [attribute(f"blocks/{i}/d/w", f"dense_{i}/w") for i in (1, 2)],
        {},
        {f"blocks/{i}/d/w": f"blocks/{i}/d/w" for i in (1, 2)},
    ),
    "all given numbers meet, and a list is longer where an attribute is gone": (
        [attribute("blocks/0/w", "net/dense/w"), attribute("blocks/1/w", "net/dense_1/w")],
        [attribute("out/w", "net/dense/w"), attribute("blocks/0/w", "net/dense_1/w")],
        {},
        dict.fromkeys(["blocks/0/w", "blocks/1/w"], AMBIGUOUS),
    ),
    "a number beside a model that has a layer of the file's, and of which nothing meets": (
        [layer("backbone/fc/w"), layer("fc/w"), layer("dense/w")],
        [layer("fc/w"), layer("dense/w")],
        {},
        {"backbone/fc/w": MISSING, "fc/w": "fc/w", "dense/w": AMBIGUOUS},
    ),
    "a number beside a model that has a layer of the file's class in another shape": (
        [layer("backbone/embedding/w", shape=(3,)), layer("dense/w")],
        [layer("embedding/w"), layer("dense/w")],
        {},
        {"backbone/embedding/w": MISSING, "dense/w": AMBIGUOUS},
    ),
    "a number in the file beside a model that has a layer of this one's class": (
        [layer("embedding/w", shape=(3,)), layer("dense/w")],
        [layer("backbone/embedding/w"), layer("dense/w")],
        {},
        {"embedding/w": MISSING, "dense/w": AMBIGUOUS},
    ),
    "a number beside a model that is new and unlike all of the file": (
        [layer("backbone/conv2d/w"), layer("fc/w"), layer("dense/w")],
        [layer("fc/w"), layer("dense/w")],
        {},
        {"backbone/conv2d/w": MISSING, "fc/w": "fc/w", "dense/w": "dense/w"},
    ),
    "a layer that lost a bias, in a model that both sides call the same, beside a layer of its name": (
        [stored("v/vars/0"), stored("v/vars/1"), stored("g/v/vars/0")],
        [stored(f"{name}/vars/{i}") for name in ("v", "g/v") for i in (0, 1)],
        {},
        {f"v/vars/{i}": f"v/vars/{i}" for i in (0, 1)} | {"g/v/vars/0": AMBIGUOUS},
    ),
    "all given numbers meet, and one of them where no root leads": (
        [
            called(layer("model/sequential/dense_1/w", "1 of 2/1 of 2/1 of 1/w"), "dense_1/w"),
            called(layer("model/dense/w", "1 of 2/2 of 2/w"), "dense/w"),
            called(layer("conv1d/w", "2 of 2/w"), "conv1d/w"),
        ],
        [
            called(rooted("model/conv1d/w"), "conv1d/w"),
            called(rooted("model/dense_1/w"), "dense_1/w"),
            called(rooted("model/2 of 3/dense_2/w"), "dense_2/w"),
        ],
        {},
        dict.fromkeys(["model/sequential/dense_1/w", "model/dense/w", "conv1d/w"], AMBIGUOUS),
    ),
    "a layer beside a model that was renamed, and has one of the name": (
        [layer("fc/fc/w"), layer("fc/proj/w"), layer("proj/w"), layer("new/w")],
        [layer("q/fc/w"), layer("q/q/w"), layer("q/proj/w"), layer("proj/w")],
        {},
        {"fc/fc/w": MISSING, "fc/proj/w": MISSING, "proj/w": "proj/w", "new/w": MISSING},
    ),
    "a given name where paths lead from two models": (
        [
            *(attribute(f"backbone/{name}/w", f"backbone/{name}/w") for name in ("q/a", "q/g", "p/g", "p/out")),
            attribute("a/w", "a/w"),
        ],
        [
            *(attribute(f"{name}/w", f"net/{name}/w") for name in ("q/a", "q/g", "p/g", "p/out")),
            attribute("blocks/0/a/w", "a/w"),
            attribute("blocks/0/b/w", "b/w"),
        ],
        {},
        dict.fromkeys([*(f"backbone/{name}/w" for name in ("q/a", "q/g", "p/g", "p/out")), "a/w"], AMBIGUOUS),
    ),
    "a short name does not take what has a full one": (
        [short("mid/a/w", "a/w"), short("a/w", "a/w")],
        [op("a/w")],
        {},
        {"mid/a/w": MISSING, "a/w": "a/w"},
    ),
    "short numbers, all of which agree": (
        [short("mid/dense_5/w", "dense_5/w"), short("dense_6/w", "dense_6/w")],
        [op("dense/w"), op("dense_1/w")],
        {},
        {"mid/dense_5/w": "dense/w", "dense_6/w": "dense_1/w"},
    ),
    "short numbers, and another layer is gone": (
        [short("mid/dense_5/w", "dense_5/w"), short("dense_6/w", "dense_6/w")],
        [op("dense/w"), op("dense_1/w"), op("out/w")],
        {},
        dict.fromkeys(["mid/dense_5/w", "dense_6/w"], AMBIGUOUS),
    ),
    "short numbers, and one layer more": (
        [short("mid/dense_5/w", "dense_5/w"), short("dense_6/w", "dense_6/w"), short("mid/dense_7/w", "dense_7/w")],
        [op("dense/w"), op("dense_1/w")],
        {},
        dict.fromkeys(["mid/dense_5/w", "dense_6/w", "mid/dense_7/w"], AMBIGUOUS),
    ),
    "the parts are called as those of the file, and one of them holds one of its own name": (
        [attribute("v/proj/w"), attribute("g/w")],
        [attribute("model/v/v/proj/w"), attribute("model/v/q/w"), attribute("model/g/w")],
        {},
        {"v/proj/w": MISSING, "g/w": "model/g/w"},
    ),
    "parts of both sides that the other has not beside one that holds one of its own name": (
        [attribute("v/proj/w"), attribute("g/w"), attribute("h/w")],
        [attribute("model/v/v/proj/w"), attribute("model/v/q/w"), attribute("model/g/w"), attribute("model/x/w")],
        {},
        {"v/proj/w": AMBIGUOUS, "g/w": AMBIGUOUS, "h/w": MISSING},
    ),
    "a layer below a name that both sides have, and more layers, by numbers, below another root": (
        [
            *(
                layer(f"blocks/functional_1/{n}/w")
                for n in ("dense_3", "dense_4", "sequential_1/conv1d_1", "sequential_1/blocks/proj")
            ),
            *(layer(f"blocks/attention_1/{n}") for n in "abcd"),
        ],
        [
            *(layer(f"{n}/w") for n in ("dense_1", "dense_2", "sequential/conv1d")),
            *(layer(f"sequential/blocks/attention/{n}") for n in "abcd"),
        ],
        {},
        {
            **dict.fromkeys(
                [f"blocks/functional_1/{n}/w" for n in ("dense_3", "dense_4", "sequential_1/conv1d_1")], AMBIGUOUS
            ),
            **dict.fromkeys([f"blocks/attention_1/{n}" for n in "abcd"], AMBIGUOUS),
            "blocks/functional_1/sequential_1/blocks/proj/w": MISSING,
        },
    ),
    "a layer of a model without a name, the rest of which another model has": (
        [
            layer("sequential_1/out/w"),
            *(called(layer(f"sequential_1/backbone/{n}/w"), f"backbone/{n}/w") for n in ("out", "q", "g")),
        ],
        [layer(f"sequential/{n}/w") for n in ("out", "q", "g")],
        {},
        {
            "sequential_1/out/w": AMBIGUOUS,
            "sequential_1/backbone/out/w": MISSING,
            **dict.fromkeys([f"sequential_1/backbone/{n}/w" for n in ("q", "g")], AMBIGUOUS),
        },
    ),
    "a layer below the name of a model that lies further down on the other side": (
        [layer("backbone/g/v/w"), layer("backbone/net/dense/w"), layer("head/w")],
        [layer("g/head/w"), layer("net/dense/w")],
        {},
        {"head/w": AMBIGUOUS, "backbone/net/dense/w": AMBIGUOUS, "backbone/g/v/w": MISSING},
    ),
    "a name below that of a model of which the variables have no names": (
        [nameless("norm/heads/a/w"), layer("a/w")],
        [layer("norm/a/w")._replace(paths=())],
        {},
        {"norm/heads/a/w": MISSING, "a/w": AMBIGUOUS},
    ),
    "a name that a layer of an inner model has, and begins as one outside of it of which nothing meets": (
        [
            inner("block/forward/cell/w", "net/block/forward_lstm_2/lstm_cell/w", 0),
            inner("wrap/block/forward/cell/w", "block/forward_lstm_1/lstm_cell/w", 1, 0),
        ],
        [tensor("block/forward_lstm/lstm_cell/w")],
        {},
        {"block/forward/cell/w": AMBIGUOUS, "wrap/block/forward/cell/w": AMBIGUOUS},
    ),
    "one block more in a list of blocks with names": (
        in_blocks("axb", "qv"),
        in_blocks("ab", "qv"),
        {},
        {
            **{f"blocks/{i}/{part}/w": f"blocks/{was}/{part}/w" for i, was in ((0, 0), (2, 1)) for part in "qv"},
            **dict.fromkeys(["blocks/1/q/w", "blocks/1/v/w"], MISSING),
        },
    ),
    "blocks with names of which one has another name now, at the same place": (
        in_blocks("ax", "qv"),
        in_blocks("ab", "qv"),
        {},
        {
            **{f"blocks/0/{part}/w": f"blocks/0/{part}/w" for part in "qv"},
            **dict.fromkeys(["blocks/1/q/w", "blocks/1/v/w"], AMBIGUOUS),
        },
    ),
    "blocks that all have one name, in a longer list": (
        in_blocks("aaa", "qv"),
        in_blocks("aa", "qv"),
        {},
        dict.fromkeys([f"blocks/{i}/{part}/w" for i in range(3) for part in "qv"], AMBIGUOUS),
    ),
    "only one block, with another name": (
        in_blocks("x", "qv"),
        in_blocks("ab", "qv"),
        {},
        dict.fromkeys(["blocks/0/q/w", "blocks/0/v/w"], AMBIGUOUS),
    ),
    "something new in blocks without names, whose numbers say otherwise": (
        in_blocks(["block", "block_1"], "qa"),
        in_blocks(["block", "block_1"], "q"),
        {},
        {
            **{f"blocks/{i}/q/w": f"blocks/{i}/q/w" for i in (0, 1)},
            **dict.fromkeys(["blocks/0/a/w", "blocks/1/a/w"], MISSING),
        },
    ),
    "one layer called as that of a model which is gone, beside what stood beside that": (
        [layer("embedding_1/w"), layer("v/w"), layer("v/b")],
        [layer("embedding/w"), layer("fc/v/w"), layer("fc/v/b")],
        {},
        dict.fromkeys(["embedding_1/w", "v/w", "v/b"], AMBIGUOUS),
    ),
    "layers without names that stood in a model, beside one with a name": (
        [layer("dense_3/w"), layer("conv2d_1/w"), layer("head/w")],
        [layer("functional/dense/w"), layer("functional/conv2d/w"), layer("head/w")],
        {},
        {"head/w": "head/w", "dense_3/w": AMBIGUOUS, "conv2d_1/w": AMBIGUOUS},
    ),
    "layers without names that stood in a model with a name": (
        [layer("dense_3/w"), layer("conv2d_1/w"), layer("head/w")],
        [layer("body/dense/w"), layer("body/conv2d/w"), layer("head/w")],
        {},
        {"head/w": "head/w", "dense_3/w": AMBIGUOUS, "conv2d_1/w": AMBIGUOUS},
    ),
    "layers without names that went into a model with a name": (
        [layer("body/dense_3/w"), layer("body/conv2d_1/w"), layer("head/w")],
        [layer("dense/w"), layer("conv2d/w"), layer("head/w")],
        {},
        {"head/w": "head/w", "body/dense_3/w": AMBIGUOUS, "body/conv2d_1/w": AMBIGUOUS},
    ),
    "layers without names in a model that may have lost its name": (
        [layer("functional_1/dense_3/w"), layer("functional_1/conv2d_1/w"), layer("head/w")],
        [layer("body/dense/w"), layer("body/conv2d/w"), layer("head/w")],
        {},
        {"head/w": "head/w", "functional_1/dense_3/w": AMBIGUOUS, "functional_1/conv2d_1/w": AMBIGUOUS},
    ),
    "layers without names in models of two names, beside one with a name": (
        [layer("body/dense_3/w"), layer("body/conv2d_1/w"), layer("head/w")],
        [layer("trunk/dense/w"), layer("trunk/conv2d/w"), layer("head/w")],
        {},
        {"head/w": "head/w", "body/dense_3/w": MISSING, "body/conv2d_1/w": MISSING},
    ),
    "layers without names of which there are more than stood in a model": (
        [layer("dense_3/w"), layer("conv2d_1/w"), layer("conv2d_2/w"), layer("head/w")],
        [layer("body/dense/w"), layer("body/conv2d/w"), layer("head/w")],
        {},
        {"head/w": "head/w", "dense_3/w": MISSING, "conv2d_1/w": MISSING, "conv2d_2/w": MISSING},
    ),
    "layers without names that stood in a model, beside others with names that came and went": (
        [layer("dense_3/w"), layer("conv2d_1/w"), layer("head/w"), layer("new/w")],
        [layer("body/dense/w"), layer("body/conv2d/w"), layer("head/w"), layer("old/w")],
        {},
        {"head/w": "head/w", "dense_3/w": AMBIGUOUS, "conv2d_1/w": AMBIGUOUS, "new/w": MISSING},
    ),
    "layers of one's own class that were counted from zero, of which the first is gone": (
        [layer("block_1/w"), layer("block_2/w"), layer("head/w")],
        [layer("block_0/w"), layer("block_1/w"), layer("head/w")],
        {"automatic": frozenset({"block"})},
        {"head/w": "head/w", "block_1/w": AMBIGUOUS, "block_2/w": AMBIGUOUS},
    ),
    "layers of one's own class that were not counted from zero before": (
        [layer("block_0/w"), layer("block_1/w"), layer("head/w")],
        [layer("block_4/w"), layer("block_5/w"), layer("head/w")],
        {"automatic": frozenset({"block"})},
        {"head/w": "head/w", "block_0/w": AMBIGUOUS, "block_1/w": AMBIGUOUS},
    ),
    "layers of Keras that were counted from zero, of which the first is gone": (
        [layer("dense_1/w"), layer("dense_2/w"), layer("head/w")],
        [layer("dense_0/w"), layer("dense_1/w"), layer("head/w")],
        {},
        {"head/w": "head/w", "dense_1/w": AMBIGUOUS, "dense_2/w": AMBIGUOUS},
    ),
    "layers that were counted from zero, beside those that Keras counts": (
        [layer("block/w"), layer("block_1/w"), layer("head/w")],
        [layer("block_0/w"), layer("block_1/w"), layer("head/w")],
        {"automatic": frozenset({"block"})},
        {"head/w": "head/w", "block/w": "block_0/w", "block_1/w": "block_1/w"},
    ),
    "layers of one's own class of which one was taken out and one put in": (
        [layer("block_1/w"), layer("block_3/w"), layer("head/w")],
        [layer("block_1/w"), layer("block_2/w"), layer("head/w")],
        {"automatic": frozenset({"block"})},
        {"head/w": "head/w", "block_1/w": AMBIGUOUS, "block_3/w": AMBIGUOUS},
    ),
    "layers of one's own class that Keras counts from another number on": (
        [layer("block_2/w"), layer("block_3/w"), layer("head/w")],
        [layer("block_1/w"), layer("block_2/w"), layer("head/w")],
        {"automatic": frozenset({"block"})},
        {"head/w": "head/w", "block_2/w": "block_1/w", "block_3/w": "block_2/w"},
    ),
    "layers without names in layers that were counted from zero, one of which is another one": (
        [layer(f"block_{i}/dense_{j}/w") for i, j in ((0, 4), (0, 5), (2, 6), (2, 7))],
        [layer(f"block_{i}/dense_{j}/w") for i, j in ((0, 1), (0, 2), (1, 3), (1, 4))],
        {"automatic": frozenset({"block"})},
        {f"block_0/dense_{j}/w": f"block_0/dense_{j - 3}/w" for j in (4, 5)}
        | {f"block_2/dense_{j}/w": MISSING for j in (6, 7)},
    ),
    "one layer without a name, and one in a model": (
        [layer("dense_3/w"), layer("head/w")],
        [layer("body/dense/w"), layer("head/w")],
        {},
        {"head/w": "head/w", "dense_3/w": MISSING},
    ),
    "the number of a variable in its layer is no place in a list": (
        [layer("dense_1/vars/0")._replace(given=(name_of("a/x/w"),))],
        [layer("dense/vars/0")._replace(given=(name_of("a/y/w"),))],
        {},
        {"dense_1/vars/0": "dense/vars/0"},
    ),
}


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE.keys())
def test_decides_as_the_table_says(case: tuple[list[Entry], list[Entry], dict[str, Any], dict[str, object]]) -> None:
    targets, sources, options, expected = case
    assert told(decide(targets, sources, request(**options))) == expected
