"""What people do to a model between saving and restoring: one function per edit, a spec in, a spec out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from generated.specs import KEEP_WIDTH, WIDTH, Draw, Layer, changed, containers, is_possible

Edit = Callable[[Draw, Layer], Layer]
_TRIES = 20


def insert(draw: Draw, model: Layer) -> Layer:
    home = draw.chance.choice(containers(model))
    at = draw.chance.randrange(len(home.members) + 1)
    return _with_members(model, home, (*home.members[:at], draw.layer(home, depth=1), *home.members[at:]))


def append(draw: Draw, model: Layer) -> Layer:
    return _with_members(model, model, (*model.members, draw.layer(model)))


def remove(draw: Draw, model: Layer) -> Layer:
    home = draw.chance.choice(containers(model))
    at = draw.chance.randrange(len(home.members))
    return _with_members(model, home, (*home.members[:at], *home.members[at + 1 :]))


def swap(draw: Draw, model: Layer) -> Layer:
    home = draw.chance.choice(containers(model))
    if len(home.members) < 2:
        return model
    i, j = draw.chance.sample(range(len(home.members)), 2)
    members = list(home.members)
    members[i], members[j] = members[j], members[i]
    return _with_members(model, home, tuple(members))


def rename(draw: Draw, model: Layer) -> Layer:
    """Give a layer another name, or a first one, or none; a subclassed model keeps it under another attribute."""
    layer = _any_layer(draw, model)
    new = draw.name(f"renamed{layer.uid}")
    name = None if draw.chance.random() < 0.2 else new
    return changed(model, layer.uid, lambda each: replace(each, name=name, key=each.key and new))


def freeze(draw: Draw, model: Layer) -> Layer:
    return changed(model, _any_layer(draw, model).uid, lambda each: replace(each, frozen=not each.frozen))


def retype(draw: Draw, model: Layer) -> Layer:
    """Put a layer of another class where one was, under its name."""
    layer = _any_layer(draw, model)
    if layer.is_container or layer.kind == "embedding":
        return model
    kind = draw.chance.choice(["dense", "einsum", "conv", "layer_norm", "gru"])
    return changed(model, layer.uid, lambda each: replace(each, kind=kind))


def widen(draw: Draw, model: Layer) -> Layer:
    layer = _any_layer(draw, model)
    if layer.is_container or layer.kind in KEEP_WIDTH:
        return model
    return changed(model, layer.uid, lambda each: replace(each, width=WIDTH + 1 if each.width == WIDTH else WIDTH))


def share(draw: Draw, model: Layer) -> Layer:
    """Use a layer once more: in place of another one, or behind all."""
    home = draw.chance.choice(containers(model))
    first = draw.chance.choice(home.members)
    at = draw.chance.randrange(len(home.members) + 1)
    return _with_members(model, home, (*home.members[:at], first, *home.members[at + 1 :]))


def reconfigure(draw: Draw, model: Layer) -> Layer:
    """Take the bias of a dense layer, or give it one."""
    layer = _any_layer(draw, model)
    if layer.kind != "dense":
        return model
    return changed(model, layer.uid, lambda each: replace(each, has_bias=not each.has_bias))


def wrap(draw: Draw, model: Layer) -> Layer:
    return draw.wrapper(model)


EDITS: tuple[Edit, ...] = (insert, append, remove, swap, rename, freeze, retype, widen, share, wrap)
_DRAWN = (*EDITS, insert, remove, swap)
_RICH = (*_DRAWN, reconfigure, rename, wrap)


def edited(draw: Draw, model: Layer, count: int, among: Sequence[Edit] | None = None) -> tuple[Layer, tuple[str, ...]]:
    """Return the model after so many edits, and what they were; the model itself is not removed from its wrapper."""
    saved = model.uid
    among = among or (_RICH if draw.is_rich else _DRAWN)
    if draw.is_rich:
        draw.old_names = sorted({name for each in model.walk() for name in (each.name, each.key) if name})
    done: list[str] = []
    for _ in range(_TRIES):
        if len(done) == count:
            break
        edit = draw.chance.choice(among)
        after = edit(draw, model)
        if after != model and is_possible(after) and saved in {each.uid for each in after.walk()}:
            model, done = after, [*done, edit.__name__]
    return model, tuple(done)


def _any_layer(draw: Draw, model: Layer) -> Layer:
    return draw.chance.choice(list(model.walk())[1:])


def _with_members(model: Layer, home: Layer, members: tuple[Layer, ...]) -> Layer:
    return changed(model, home.uid, lambda each: replace(each, members=members))
