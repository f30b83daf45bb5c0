"""The rename that an error advises decides all that is undecidable, and changes nothing that was decided."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from entries import attribute, layer, tensor

from partial_restore._advised import advised_rename
from partial_restore._paired import Likeness, Open, paired
from partial_restore._plan import Request, decide
from partial_restore._select import compile_rename
from partial_restore._types import Entry, Outcome, name_of


def of_layers(count: int, first: int = 0) -> list[Entry]:
    """Dense layers as Keras calls them, with a variable of two shapes each."""
    names = [f"dense_{i}" if i else "dense" for i in range(first, first + count)]
    return [entry for name in names for entry in (layer(f"{name}/kernel", shape=(4, 4)), layer(f"{name}/bias"))]


def listed(*places: str, shape: tuple[int, ...] = (2,)) -> list[Entry]:
    return [attribute(place, shape=shape) for place in places]


def of_blocks(names: str) -> list[Entry]:
    """Dense layers without names in blocks with names."""
    numbers = ("dense", "dense_1", "dense_2")
    return [attribute(f"blocks/{i}/d/w", f"net/{name}/{numbers[i]}/w") for i, name in enumerate(names)]


def unnamed(*full_names: str) -> list[Entry]:
    """What an export lists whose names are shared."""
    return [
        attribute(f"variables/{i}", nameless=True)._replace(ops=(name_of(name),)) for i, name in enumerate(full_names)
    ]


TOWERS = [
    attribute(f"{tower}/{layer}/w", f"{layer}/w")._replace(place=2 * i + j)
    for i, tower in enumerate("qd")
    for j, layer in enumerate("ab")
]

ADVISED: dict[str, tuple[list[Entry], list[Entry], object]] = {
    "a layer": (of_layers(1, 2), of_layers(2), {"dense": "dense_2", "dense_1": None}),
    "as many as there are": (
        of_layers(3, 2),
        of_layers(2),
        {"dense": "dense_2", "dense_1": "dense_3"},
    ),
    "members of a list": (
        listed("blocks/0", "blocks/1", "blocks/2"),
        listed("blocks/0", "blocks/1"),
        {"blocks/0": "blocks/0", "blocks/1": "blocks/1"},
    ),
    "what is below comes first": (
        [layer(f"dense_{i}/{name}") for i in (2, 3, 4) for name in ("w", "layer/w")],
        [layer(f"dense{i}/{name}") for i in ("", "_1") for name in ("w", "layer/w")],
        {"dense/layer": "dense_2/layer", "dense_1/layer": "dense_3/layer", "dense": "dense_2", "dense_1": "dense_3"},
    ),
    "without names, in the order of the model": (
        TOWERS,
        unnamed("a/w", "b/w", "a/w", "b/w"),
        {"variables/0": "q/a/w", "variables/1": "q/b/w", "variables/2": "d/a/w", "variables/3": "d/b/w"},
    ),
    "of places, in the order of the model": (
        [
            layer(f"{name}/w", f"{place + 1} of 3/w")._replace(place=place)
            for place, name in enumerate(("reduce", "block_9", "block_10"))
        ],
        [layer(f"{place} of 20/w") for place in (3, 7, 12)],
        {"3 of 20": "reduce", "7 of 20": "block_9", "12 of 20": "block_10"},
    ),
    "members of a list, by the names that both sides tell": (
        of_blocks("bca"),
        of_blocks("abc"),
        {"blocks/1": "blocks/0", "blocks/2": "blocks/1", "blocks/0": "blocks/2"},
    ),
    "members of a list, one of which is where it was": (
        of_blocks("bac"),
        of_blocks("abc"),
        {"blocks/1": "blocks/0", "blocks/0": "blocks/1"},
    ),
    "layers that moved on by one attribute, by the names that both sides tell": (
        [attribute(f"d{i}/w", f"net/{name}/w") for i, name in enumerate(("new", "one", "two"))],
        [attribute(f"d{i}/w", f"net/{name}/w") for i, name in enumerate(("one", "two"))],
        {"d1": "d2", "d0": "d1"},
    ),
    "a model that has another name, beside a layer that is called as one in it": (
        [layer("encoder/conv/w"), layer("encoder/top/norm/w"), layer("norm/w")],
        [layer("base/conv/w"), layer("base/top/norm/w"), layer("norm/w")],
        {"base": "encoder"},
    ),
    "layers without names in models that do not sort as they stand": (
        [attribute(f"{at}/d/w", f"net/t_{i}/dense_{i}/w") for i, at in enumerate(("enc", "dec", "new"), 2)],
        [tensor("net/t/dense/w"), tensor("net/t_1/dense_1/w")],
        {"net/t/dense": "enc/d", "net/t_1/dense_1": "dec/d"},
    ),
    "without names, called most alike": (
        TOWERS[:2],
        unnamed("b/w", "a/w"),
        {"variables/1": "q/a/w", "variables/0": "q/b/w"},
    ),
    "without names, not as many": (TOWERS[:3], unnamed("a/w", "b/w", "a/w", "b/w"), None),
}


@pytest.mark.parametrize(("targets", "sources", "expected"), ADVISED.values(), ids=ADVISED.keys())
def test_advised(targets: Sequence[Entry], sources: Sequence[Entry], expected: object) -> None:
    advised = advised_rename(decide(targets, sources, Request()), sources, Request())
    assert advised == expected
    assert list(advised or ()) == list(expected or ()), "Rules count in their order."  # type: ignore[call-overload]
    if advised:
        after = decide(targets, sources, Request(rename=compile_rename(advised)))
        assert not after.of(Outcome.AMBIGUOUS, Outcome.COLLIDED)
        assert not after.unfit + after.astray


def test_nothing_is_advised_where_nothing_is_undecidable() -> None:
    entries = of_layers(2)
    assert advised_rename(decide(entries, entries, Request()), entries, Request()) is None


def test_kernel_and_bias_come_from_one_layer() -> None:
    """The layer in between has a bias of the same shape, and another kernel."""
    source, target = of_layers(3), of_layers(2, 5)
    source[2] = source[2]._replace(shape=(4, 9))
    advised = advised_rename(decide(target, source, Request()), source, Request())
    assert advised == {"dense": "dense_5", "dense_2": "dense_6", "dense_1": None}


def test_part_that_is_called_as_the_model_comes_first() -> None:
    variable, *tensors = (
        Entry(each, (name_of(each),), (), (), "float32") for each in ("d/w", "decoder/d/w", "encoder/d/w")
    )
    assert [old.name for old, _ in paired([Open(variable, tensors)], Likeness("encoder"))] == ["encoder/d/w"]
    assert [old.name for old, _ in paired([Open(variable, tensors)], Likeness())] == ["decoder/d/w"]


def test_what_does_not_fit_is_not_loaded_in_part() -> None:
    """The bias of the layer in between has the shape, its kernel another one."""
    source, target = of_layers(3), of_layers(3, 5)
    source[2] = source[2]._replace(shape=(4, 9))
    advised = advised_rename(decide(target, source, Request()), source, Request())
    assert advised == {"dense": "dense_5", "dense_2": "dense_7", "dense_1": None}


def test_more_candidates_than_are_kept() -> None:
    sources, targets = of_layers(70), of_layers(71, 100)
    advised = advised_rename(decide(targets, sources, Request()), sources, Request())
    assert advised is not None
    assert [*advised.items()] == [(f"dense_{i}" if i else "dense", f"dense_{100 + i}") for i in range(70)]
