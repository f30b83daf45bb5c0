"""Layers in lists of a person's own layers and models: their places, and all else that a file tells of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from families import FAMILIES, archive, checkpoint, contents, randomized, weights_h5
from models import unchanged

import partial_restore as pr

KERAS = tuple(int(part) for part in keras.__version__.split(".")[:2])

Saved = Callable[[Any, Path], Any]


def live(model: Any, _folder: Path) -> Any:
    return model


def by_name(model: Any, folder: Path) -> Any:
    return pr.save_subset(model, folder / "part")


def net(family: str, blocks: Callable[[Any], list[Any]]) -> Any:
    """A model that has its blocks in a list, once it is called."""

    class Net(FAMILIES[family].Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.blocks = blocks(self)

        def call(self, x: Any) -> Any:
            for block in self.blocks:
                x = block(x)
            return x

    model = Net()
    model(np.ones([1, 4], np.float32))
    return model


def nested(family: str, names: str) -> Any:
    """A model that has its blocks, which have names of their own and build what is in them, in lists of a list."""

    class Net(FAMILIES[family].Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stages = [
                [block(family, lambda layer: layer.name, builds=True, name=name) for name in stage.split()]
                for stage in names.split("|")
            ]

        def call(self, x: Any) -> Any:
            for stage in self.stages:
                for block in stage:
                    x = block(x)
            return x

    model = Net()
    model(np.ones([1, 4], np.float32))
    return model


def blocks_of(model: Any) -> Iterator[tuple[str, list[bytes]]]:
    """The values of every block in lists of a list, by its name."""
    for stage in model.stages:
        yield from ((each.name, [weight.numpy().tobytes() for weight in each.weights]) for each in stage)


def block(family: str, called: Callable[[Any], str], *, builds: bool = False, name: str | None = None) -> Any:
    """A layer of two, which are called ``query_…`` and ``out_…``."""
    layers = FAMILIES[family].layers

    class Block(layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name=name)
            self.query, self.out = (layers.Dense(4, name=f"{called(self)}_{each}") for each in ("query", "out"))

        def build(self, shape: Any) -> None:
            for layer in (self.query, self.out) if builds else ():
                layer.build(shape)
            super().build(shape)

        def call(self, x: Any) -> Any:
            return self.out(self.query(x))

    return Block()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("save", [live, by_name, weights_h5, checkpoint])
def test_names_made_of_automatic_ones_are_as_automatic(save: Saved, family: str, tmp_path: Path) -> None:
    """What the names begin with is counted anew in every process, and goes on in this one."""
    if save is checkpoint and family == "keras":
        pytest.skip("TensorFlow keeps no lists of Keras 3")

    def within(model: Any) -> list[Any]:
        layers = [FAMILIES[family].layers.Dense(4, name=f"{model.name}_{each}") for each in ("first", "last")]
        return [*layers, *(block(family, lambda layer: layer.name) for _ in range(2))]

    source, target = (net(family, within) for _ in range(2))
    randomized(source)
    report = pr.restore_subset(target, save(source, tmp_path))
    assert not report.initialized
    assert contents(target) == contents(source)


@pytest.mark.parametrize("names", ["image text fuse", "image fuse audio", "text image audio"])
@pytest.mark.parametrize(
    ("family", "save", "builds"),
    [
        *(("keras", save, builds) for save in (live, by_name, weights_h5) for builds in (False, True)),
        *(("tf_keras", save, builds) for save in (live, by_name) for builds in (False, True)),
        ("tf_keras", checkpoint, False),
    ],
)
def test_names_of_layers_in_blocks_without_one_speak_against_places(
    family: str, save: Saved, builds: bool, names: str, tmp_path: Path
) -> None:
    if save is weights_h5 and KERAS < (3, 6):
        pytest.skip("this Keras writes no names beside weights")

    def of(names: str) -> Any:
        called = [lambda _, name=name: name for name in names.split()]
        return net(family, lambda _: [block(family, each, builds=builds) for each in called])

    source, target = randomized(of("text image fuse")), of(names)
    path = save(source, tmp_path)
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, path)
    same = of("text image fuse")
    pr.restore_subset(same, path)
    assert contents(same) == contents(source)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("save", [live, by_name, weights_h5, checkpoint])
def test_a_layer_of_another_class_speaks_against_places(save: Saved, family: str, tmp_path: Path) -> None:
    if save is checkpoint and family == "keras":
        pytest.skip("TensorFlow keeps no lists of Keras 3")
    layers = FAMILIES[family].layers

    class Scaled(layers.Dense):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return 2 * super().call(x)

    source = randomized(net(family, lambda _: [layers.Dense(4) for _ in range(3)]))
    target = net(family, lambda _: [Scaled(4), layers.Dense(4), layers.Dense(4)])
    path = save(source, tmp_path)
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, path)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("save", [live, by_name])
def test_layers_of_a_list_that_are_all_of_another_class_keep_their_places(
    save: Saved, family: str, tmp_path: Path
) -> None:
    layers = FAMILIES[family].layers

    class Scaled(layers.Dense):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return 2 * super().call(x)

    source = randomized(net(family, lambda _: [layers.Dense(4) for _ in range(3)]))
    target = net(family, lambda _: [Scaled(4) for _ in range(3)])
    pr.restore_subset(target, save(source, tmp_path))
    assert contents(target) == contents(source)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("before", "now", "widths", "is_told"),
    [
        ("- - -", "- - fresh", (4, 4, 4), False),
        ("- - fresh", "- - -", (4, 4, 4), False),
        ("- - fresh", "- fresh -", (4, 4, 4), False),
        ("- - -", "- - head", (4, 4, 3), True),
        ("- - -", "first second third", (4, 4, 4), True),
    ],
)
@pytest.mark.parametrize("save", [live, by_name, checkpoint])
def test_a_name_beside_layers_without_speaks_against_places(
    save: Saved, before: str, now: str, widths: tuple[int, ...], is_told: bool, family: str, tmp_path: Path
) -> None:
    """It may be that of a new layer, and one before it be gone; but not if none beside it has the same variables."""
    if save is checkpoint and family == "keras":
        pytest.skip("TensorFlow keeps no lists of Keras 3")
    layers = FAMILIES[family].layers

    def of(names: str) -> Any:
        pairs = [(width, None if name == "-" else name) for width, name in zip(widths, names.split(), strict=True)]
        return net(family, lambda _: [layers.Dense(width, name=name) for width, name in pairs])

    source, target, same = randomized(of(before)), of(now), of(before)
    path = save(source, tmp_path)
    pr.restore_subset(same, path)
    assert contents(same) == contents(source)
    if is_told:
        pr.restore_subset(target, path)
        assert contents(target) == contents(source)
    else:
        with unchanged(target), pytest.raises(pr.AmbiguousError):
            pr.restore_subset(target, path)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "names", ["first|second third", "first second|third", "second third", "first|second third fourth"]
)
def test_blocks_in_lists_of_a_list_are_known_by_their_names(names: str, family: str, tmp_path: Path) -> None:
    source, target = randomized(nested("tf_keras", "first|second third")), nested(family, names)
    report = pr.restore_subset(target, checkpoint(source, tmp_path))
    kept = [each for each in dict(blocks_of(target)) if each != "fourth"]
    assert len(report.loaded) == 4 * len(kept)
    assert [dict(blocks_of(target))[each] for each in kept] == [dict(blocks_of(source))[each] for each in kept]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("names", ["first|third second", "third|second first"])
def test_blocks_in_lists_of_a_list_that_traded_places_do_not_go_by_these(
    names: str, family: str, tmp_path: Path
) -> None:
    source, target = randomized(nested("tf_keras", "first|second third")), nested(family, names)
    path = checkpoint(source, tmp_path)
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, path)


NESTED: dict[str, Callable[[list[Any]], Any]] = {
    "lists": lambda layers: [layers[:2], layers[2:]],
    "tuples": lambda layers: [tuple(layers[:2]), tuple(layers[2:])],
    "lists in a dict": lambda layers: {"first": layers[:2], "second": layers[2:]},
    "dicts": lambda layers: [{"b": layers[0], "a": layers[1]}, {"b": layers[2], "a": layers[3]}],
}


def members(value: Any) -> Iterator[Any]:
    for each in value.values() if isinstance(value, dict) else value:
        yield from members(each) if isinstance(each, list | tuple | dict) else [each]


def in_stages(family: str, shape: str, attribute: str = "stages", head: str = "head") -> Any:
    """A model with layers in lists of a list, under an attribute before or behind that in which Keras lists all layers."""
    layers = FAMILIES[family].layers

    class Net(FAMILIES[family].Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem, dense = layers.Dense(4), [layers.Dense(4, name=f"layer_{letter}") for letter in "abcd"]
            setattr(self, attribute, NESTED[shape](dense))
            self.head = layers.Dense(2, name=head)

        def call(self, x: Any) -> Any:
            x = self.stem(x)
            for layer in members(getattr(self, attribute)):
                x = layer(x)
            return self.head(x)

    model = Net()
    model(np.ones([1, 4], np.float32))
    return model


@pytest.mark.parametrize("save", [archive, weights_h5])
@pytest.mark.parametrize("families", [("keras", "keras"), ("tf_keras", "tf_keras"), ("tf_keras", "keras")])
@pytest.mark.parametrize("attribute", ["blocks", "stages"])
@pytest.mark.parametrize("shape", NESTED)
def test_layers_in_lists_of_a_list(
    shape: str, attribute: str, families: tuple[str, str], save: Saved, tmp_path: Path
) -> None:
    source, target = (in_stages(family, shape, attribute) for family in families)
    path = save(randomized(source), tmp_path)
    if shape == "dicts" and save is weights_h5 and families[0] == "keras" and KERAS < (3, 6):
        with pytest.raises(pr.AmbiguousError):  # Such a file may be of TensorFlow 2.14, which sorts the keys.
            pr.restore_subset(target, path)
        return
    pr.restore_subset(target, path, strict=True)
    ours, theirs = ([each.stem, *members(getattr(each, attribute)), each.head] for each in (target, source))
    assert [*map(contents, ours)] == [*map(contents, theirs)]  # The families list them in another order.


@pytest.mark.parametrize("save", [archive, weights_h5])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_head_beside_lists_of_a_list_is_replaced(family: str, save: Saved, tmp_path: Path) -> None:
    source, target = randomized(in_stages(family, "lists")), in_stages(family, "lists", head="other")
    pr.restore_subset(target, save(source, tmp_path), exclude="head")
    assert contents(target)[:-2] == contents(source)[:-2]
    assert contents(target)[-2] != contents(source)[-2]


@pytest.mark.skipif(KERAS < (3, 6), reason="this Keras writes no names beside weights")
@pytest.mark.parametrize("save", [archive, weights_h5])
@pytest.mark.parametrize("name", ["encoder", None])
@pytest.mark.parametrize(
    ("saved", "parts"),
    [
        *((each, each) for each in ("encoder out", "out encoder", "embedding encoder")),
        *(("encoder out", each) for each in ("out", "encoder", "new encoder out")),
    ],
)
def test_a_layer_in_a_list_has_a_name_that_is_a_class(
    saved: str, parts: str, name: str | None, save: Saved, tmp_path: Path
) -> None:
    """The name of the class around it, or of one of Keras'."""
    layers = keras.layers

    class Encoder(layers.Layer):  # type: ignore[misc]
        def __init__(self, names: str) -> None:
            super().__init__(name=name)
            self.parts = [layers.Dense(4, name=each) for each in names.split()]

        def build(self, shape: Any) -> None:
            for each in self.parts:
                each.build(shape)

        def call(self, x: Any) -> Any:
            for each in self.parts:
                x = each(x)
            return x

    def made(names: str) -> Any:
        return keras.Sequential([keras.Input([4]), Encoder(names), layers.Dense(4, name="head")])

    def values(model: Any) -> dict[str, list[bytes]]:
        return {
            each.name: [w.numpy().tobytes() for w in each.weights] for each in (*model.layers[0].parts, model.layers[1])
        }

    source, target = randomized(made(saved)), made(parts)
    report = pr.restore_subset(target, save(source, tmp_path))

    kept = [each for each in values(target) if each != "new"]
    assert len(report.loaded) == 2 * len(kept)
    assert [values(target)[each] for each in kept] == [values(source)[each] for each in kept]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("save", [live, by_name])
@pytest.mark.parametrize("names", ["new first second", "second first", "new first", "second"])
def test_names_speak_against_numbered_attributes(names: str, save: Saved, family: str, tmp_path: Path) -> None:
    """A layer put in before others, or taken out, that are in attributes of which each has the next number."""

    def made(names: str) -> Any:
        class Net(FAMILIES[family].Model):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                for i, name in enumerate(names.split()):
                    setattr(self, f"dense{i}", FAMILIES[family].layers.Dense(4, name=name))

            def call(self, x: Any) -> Any:
                for i in range(len(names.split())):
                    x = getattr(self, f"dense{i}")(x)
                return x

        model = Net()
        model(np.ones([1, 4], np.float32))
        return model

    saved, target = save(randomized(made("first second")), tmp_path), made(names)
    with unchanged(target), pytest.raises(pr.AmbiguousError, match="rename="):
        pr.restore_subset(target, saved)


@pytest.mark.parametrize("save", [archive, weights_h5, checkpoint])
@pytest.mark.parametrize("names", ["new first second", "second first", "new first", "second"])
def test_names_speak_against_numbered_attributes_of_a_layer(names: str, save: Saved, tmp_path: Path) -> None:
    def made(names: str) -> Any:
        class Block(keras.layers.Layer):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                for i, name in enumerate(names.split()):
                    setattr(self, f"dense{i}", keras.layers.Dense(4, name=name))

            def build(self, shape: Any) -> None:
                for i in range(len(names.split())):
                    getattr(self, f"dense{i}").build(shape)

            def call(self, x: Any) -> Any:
                for i in range(len(names.split())):
                    x = getattr(self, f"dense{i}")(x)
                return x

        return keras.Sequential([keras.Input([4]), Block(), keras.layers.Dense(4, name="head")])

    if save is not checkpoint and KERAS < (3, 6):
        pytest.skip("this Keras writes no names beside weights")
    path, target = save(randomized(made("first second")), tmp_path), made(names)
    with unchanged(target), pytest.raises(pr.AmbiguousError, match="rename="):
        pr.restore_subset(target, path)


@pytest.mark.parametrize("save", [archive, weights_h5])
def test_one_layer_s_name_does_not_say_where_the_others_without_went(save: Saved, tmp_path: Path) -> None:
    """The saved model is in a list, one of its layers under another name; a new layer elsewhere has the old one."""
    dense = keras.layers.Dense
    source = keras.Sequential([keras.layers.Input([4]), dense(4, name="d"), dense(4)])

    class Net(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [keras.Sequential([dense(4, name="e"), dense(4)])]
            self.heads = {"new": dense(4), "d": dense(4, name="d")}

        def call(self, x: Any) -> Any:
            x = self.blocks[0](x)
            return self.heads["new"](x) + self.heads["d"](x)

    path, target = save(randomized(source), tmp_path), Net()
    target(np.ones([1, 4], np.float32))
    refusal = pr.AmbiguousError if KERAS >= (3, 6) else (pr.AmbiguousError, pr.NothingLoadedError)
    with unchanged(target), pytest.raises(refusal) as caught:
        pr.restore_subset(target, path)
    if isinstance(caught.value, pr.AmbiguousError) and KERAS >= (3, 6):  # Before, files do not name what is in lists.
        assert {re.sub(r"_\d+/", "/", each) for each in caught.value.names} >= {
            "heads/new/kernel",
            "blocks/0/dense/kernel",
        }


def branches(family: str, users: str, shape: str, blocks: int = 0) -> Any:
    """A layer with a name and one without for each user, in lists of some shape, behind blocks without names."""
    layers = FAMILIES[family].layers
    pairs = [(layers.Dense(5, name=f"{user}_first"), layers.Dense(4)) for user in users]

    class Branches(FAMILIES[family].Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [layers.Dense(4) for _ in range(blocks)]
            if shape == "beside":
                self.first, self.last = map(list, zip(*pairs, strict=True))
            elif shape == "flat":
                self.all = [layer for pair in pairs for layer in pair]
            else:
                self.all = [list(pair) for pair in pairs]

        def call(self, x: Any) -> Any:
            for block in self.blocks:
                x = block(x)
            return sum(last(first(x)) for first, last in pairs)

    model = Branches()
    model(np.ones([1, 4], np.float32))
    return model


@pytest.mark.parametrize(
    ("save", "family"),
    [
        *((save, family) for save in (live, by_name) for family in FAMILIES),
        (checkpoint, "tf_keras"),
        pytest.param(
            *(weights_h5, "keras"),
            marks=pytest.mark.skipif(KERAS < (3, 6), reason="this Keras writes no names beside weights"),
        ),
    ],
)
@pytest.mark.parametrize("shape", ["beside", "flat", "nested"])
@pytest.mark.parametrize("now", ["vu", "vw"])
def test_layers_without_names_may_have_gone_along_with_those_in_their_lists(
    now: str, shape: str, save: Saved, family: str, tmp_path: Path
) -> None:
    path, target = save(randomized(branches(family, "uv", shape)), tmp_path), branches(family, now, shape)
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, path)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("save", [live, by_name])
def test_a_longer_list_beside_one_whose_layers_traded_places_loads(save: Saved, family: str, tmp_path: Path) -> None:
    source, target = randomized(branches(family, "uv", "beside", 3)), branches(family, "vu", "beside", 3)
    pr.restore_subset(target, save(source, tmp_path), exclude="last")
    for i in (0, 1):
        np.testing.assert_array_equal(target.first[i].kernel, source.first[1 - i].kernel)
    for ours, theirs in zip(target.blocks, source.blocks, strict=True):
        np.testing.assert_array_equal(ours.kernel, theirs.kernel)


def with_models(family: str, names: str) -> Any:
    """Blocks with names, each with a layer and a model of layers with names."""
    kit = FAMILIES[family]

    class Block(kit.layers.Layer):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.norm = kit.layers.LayerNormalization(name="norm")
            self.inner = kit.Sequential(
                [kit.layers.Dense(4, name="one"), kit.layers.Dense(4, name="two")], name="inner"
            )

        def call(self, x: Any) -> Any:
            return self.inner(self.norm(x))

    return net(family, lambda _: [Block(name=name) for name in names.split()])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("saved", FAMILIES)
@pytest.mark.parametrize("save", [live, by_name])
@pytest.mark.parametrize("names", ["first second third", "first third", "first second third fourth"])
def test_what_is_in_a_model_of_a_block_is_known_by_the_block(
    names: str, save: Saved, saved: str, family: str, tmp_path: Path
) -> None:
    source, target = randomized(with_models(saved, "first second third")), with_models(family, names)
    report = pr.restore_subset(target, save(source, tmp_path))
    kept = {block.name: block for block in source.blocks}
    assert len(report.loaded) == 6 * len(names.replace("fourth", "").split())
    for block in target.blocks:
        for ours, theirs in zip(block.weights, kept[block.name].weights if block.name in kept else (), strict=False):
            np.testing.assert_array_equal(ours, theirs)


def of_counts(family: str, counts: str, *, is_own: bool) -> Any:
    """Blocks with names, each with as many layers without names in a model, which may be of a class of one's own; all is counted anew."""
    kit = FAMILIES[family]

    class Linear(kit.layers.Layer):  # type: ignore[misc]
        def build(self, _shape: Any) -> None:
            self.w = self.add_weight(shape=(4, 4), name="w")

        def call(self, x: Any) -> Any:
            return x @ self.w

    class Block(kit.layers.Layer):  # type: ignore[misc]
        def __init__(self, count: int, **options: Any) -> None:
            super().__init__(**options)
            self.norm = kit.layers.LayerNormalization()
            self.inner = kit.Sequential([Linear() if is_own else kit.layers.Dense(4) for _ in range(count)])

        def call(self, x: Any) -> Any:
            return self.inner(self.norm(x))

    kit.backend.clear_session()
    return net(
        family, lambda _: [Block(int(count), name=f"block_{name}") for count, name in zip(counts, "abc", strict=True)]
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("saved", FAMILIES)
@pytest.mark.parametrize("save", [live, by_name])
@pytest.mark.parametrize("is_own", [False, True])
@pytest.mark.parametrize(("before", "after"), [("232", "222"), ("322", "222"), ("111", "211"), ("222", "222")])
def test_numbers_in_a_model_of_a_block_with_a_name_are_no_names(
    before: str, after: str, save: Saved, saved: str, family: str, tmp_path: Path, *, is_own: bool
) -> None:
    """A layer came into one block, or went from one: all behind it have other numbers, and each may have that of another one."""
    source = randomized(of_counts(saved, before, is_own=is_own))
    path, target = save(source, tmp_path), of_counts(family, after, is_own=is_own)
    if before == after:
        pr.restore_subset(target, path)
        assert contents(target) == contents(source)
    else:
        with unchanged(target), pytest.raises(pr.AmbiguousError):
            pr.restore_subset(target, path)


def with_list(family: str, count: int, name: str | None = None, *, around: str = "") -> Any:
    """A model with layers without names in a list and in attributes, of which the first may get one; or such a model within another one with a list."""
    kit = FAMILIES[family]

    class Base(kit.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            dense = kit.layers.Dense
            self.blocks = [dense(4, name=name if i == 0 else None) for i in range(count)]
            self.out, self.proj = dense(4), dense(4)

        def call(self, x: Any) -> Any:
            for each in (*self.blocks, self.out, self.proj):
                x = each(x)
            return x

    class Around(kit.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            base = Base()
            if around == "attribute":
                self.backbone = base
            self.blocks = [*([base] if around == "list" else []), *(kit.layers.Dense(4) for _ in range(count))]
            self.head = kit.layers.Dense(4)
            self.order = [base, *self.blocks[around == "list" :], self.head]

        def call(self, x: Any) -> Any:
            for each in self.order:
                x = each(x)
            return x

    model = Around() if around else Base()
    model(np.ones([1, 4], np.float32))
    return model


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("save", [archive, weights_h5])
@pytest.mark.parametrize("around", ["attribute", "list"])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("is_unwrapped", [False, True])
def test_the_list_of_a_model_around_is_not_that_of_the_model_of_which_a_layer_got_a_name(
    count: int, around: str, save: Saved, family: str, tmp_path: Path, *, is_unwrapped: bool
) -> None:
    inner, outer = with_list("keras", count), with_list(family, count, "renamed", around=around)
    if is_unwrapped:
        inner, outer = with_list(family, count), with_list("keras", count, "renamed", around=around)
    source, target = (outer, inner) if is_unwrapped else (inner, outer)
    path = save(randomized(source), tmp_path)
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, path)


def in_dict(family: str, names: str, kind: str) -> Any:
    """Layers with names, or blocks of two, under keys that count them, be it in a dict of dicts or a layer that has the dict."""
    layers = FAMILIES[family].layers

    class Block(layers.Layer):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.one, self.two = (layers.Dense(4, name=name) for name in ("one", "two"))

        def call(self, x: Any) -> Any:
            return self.two(self.one(x))

    class Around(layers.Layer):  # type: ignore[misc]
        def __init__(self, blocks: dict[str, Any]) -> None:
            super().__init__()
            self.blocks = blocks

        def call(self, x: Any) -> Any:
            for key in sorted(self.blocks):
                x = self.blocks[key](x)
            return x

    class Net(FAMILIES[family].Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            made = (layers.Dense(4, name=f"the_{n}") if kind == "layers" else Block(name=f"the_{n}") for n in names)
            blocks = {f"b{i}": each for i, each in enumerate(made)}
            self.all = Around(blocks) if kind == "in a layer" else {"stage": blocks} if kind == "in a dict" else blocks
            self.head = layers.Dense(2, name="head")

        def call(self, x: Any) -> Any:
            if kind == "in a layer":
                return self.head(self.all(x))
            blocks = self.all["stage"] if kind == "in a dict" else self.all
            for key in sorted(blocks):
                x = blocks[key](x)
            return self.head(x)

    model = Net()
    model(np.ones([1, 4], np.float32))
    return model


def bare(model: Any, folder: Path) -> str:
    return str(tf.train.Checkpoint(model).write(str(folder / "ckpt")))


def beside_a_step(model: Any, folder: Path) -> str:
    return str(tf.train.Checkpoint(net=model, step=tf.Variable(7)).write(str(folder / "ckpt")))


def in_a_part(model: Any, folder: Path) -> str:
    part = tf.Module()
    part.net = model
    return str(tf.train.Checkpoint(trainer=part).write(str(folder / "ckpt")))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("save", [bare, checkpoint, beside_a_step, in_a_part])
@pytest.mark.parametrize("kind", ["layers", "blocks", "in a dict", "in a layer"])
@pytest.mark.parametrize(("before", "after"), [("abc", "bc"), ("ab", "cab"), ("ab", "ba"), ("abc", "abc")])
def test_names_speak_against_the_keys_of_a_dict_below_any_root(
    before: str, after: str, kind: str, save: Saved, family: str, tmp_path: Path
) -> None:
    source = randomized(in_dict("tf_keras", before, kind))
    path, target = save(source, tmp_path), in_dict(family, after, kind)
    if before == after:
        pr.restore_subset(target, path)
        assert contents(target) == contents(source)
    else:
        with unchanged(target), pytest.raises(pr.AmbiguousError):
            pr.restore_subset(target, path)
