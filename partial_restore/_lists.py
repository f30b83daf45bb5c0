"""What the list of an optimizer holds, which Keras 3 stores in HDF5 by number alone. Pure; standard library only.

The list repeats the shapes of the trainable variables in their order. Where the weights of the file explain it in exactly one
way, each piece has an owner; else none has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from partial_restore._order import Shape, Weights, owners_of
from partial_restore._types import State

Layout = tuple[tuple[str, ...], ...]
"""Blocks of state: within a block all kinds of the first variable, then all of the second, and so on."""

_BLOCKS = {
    "nadam": ("momentum", "velocity"),
    "lamb": ("momentum", "velocity"),
    "adamax": ("momentum", "norm"),
    "lion": ("momentum",),
    "adagrad": ("accumulator",),
    "adadelta": ("accumulated_grad", "accumulated_delta_var"),
    "ftrl": ("accumulator", "linear"),
    "adafactor": ("r", "c", "velocity"),
}


def states_of_list(
    shapes: Sequence[Shape], layouts: Sequence[Layout], weights: Weights, family: str, names: tuple[str, ...]
) -> list[State]:
    """Return what each member of an optimizer's list is, as far as it is forced.

    >>> kernel, bias = (3, 4), (4,)
    >>> keys = {"layers/dense/vars/0": kernel, "layers/dense/vars/1": bias}
    >>> weights = Weights(keys, dict.fromkeys(keys, ("layers", "dense")), {})
    >>> found = states_of_list([(), (), kernel, kernel, bias, bias], layouts_of("adam"), weights, "adam", ())
    >>> [(state.kind, state.owner) for state in found[1:4]]
    [('learning_rate', None), ('momentum', 'layers/dense/vars/0'), ('velocity', 'layers/dense/vars/0')]
    """
    readings = list(_distinct(shapes, layouts, weights))
    if len(readings) == 1:
        return [State(kind, family, names, owner) for kind, owner in readings[0]]
    once = ["iterations", "learning_rate"] if () not in weights.shapes.values() and len(shapes) > 1 else ["iterations"]
    known = [kind for kind, shape in zip(once, shapes, strict=False) if shape == ()]
    return [State(kind, family, names) for kind in [*known, *[""] * (len(shapes) - len(known))]]


def layouts_of(family: str, config: Mapping[str, object] | None = None) -> list[Layout]:
    """Return the blocks of state that an optimizer may have made: one answer where its configuration is known.

    >>> layouts_of("adam", {"amsgrad": True})
    [(('momentum', 'velocity'), ('velocity_hat',))]
    """
    parts: list[list[Layout]] = [
        _optional("average", "use_ema", config),
        _optional("gradient_accumulator", "gradient_accumulation_steps", config),
    ]
    if family == "adam":
        parts += [[(("momentum", "velocity"),)], _optional("velocity_hat", "amsgrad", config)]
    elif family == "rmsprop":
        parts += [[(("velocity",),)], _optional("momentum", "momentum", config)]
        parts += [_optional("average_gradient", "centered", config)]
    elif family == "sgd":  # That of tf.keras keeps a momentum of zero, too.
        parts += [[((each,),) for each in ("momentum",)] + ([] if config and config.get("momentum") else [()])]
    elif family in _BLOCKS:
        parts += [[(_BLOCKS[family],)]]
    else:
        return []
    return [tuple(block for part in chosen for block in part) for chosen in product(*parts)]


def _optional(kind: str, option: str, config: Mapping[str, object] | None) -> list[Layout]:
    if config is None:
        return [(), ((kind,),)]
    return [((kind,),)] if config.get(option) else [()]


_Reading = tuple[tuple[str, str | None], ...]


def _distinct(shapes: Sequence[Shape], layouts: Sequence[Layout], weights: Weights) -> set[_Reading]:
    """Return up to two ways to read the list: what each member is, and whose."""
    found: set[_Reading] = set()
    for layout, (head, tail) in product(layouts, _frames(shapes)):
        body = shapes[len(head) : len(shapes) - len(tail)]
        runs = _runs(body, layout)
        if runs is None:
            continue
        owners = owners_of(weights, runs)
        if owners is None:
            return set()
        for each in owners:
            kinds = _unrolled(layout, each)
            found.add((*((kind, None) for kind in head), *kinds, *((kind, None) for kind in tail)))
        if len(found) > 1:
            break
    return found


def _frames(shapes: Sequence[Shape]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield what may stand once before and behind the state of the variables."""
    if not shapes or shapes[0] != ():
        return
    heads = [("iterations",), *([("iterations", "learning_rate")] if shapes[1:2] == [()] else [])]
    for head in heads:
        yield head, ()
        if len(shapes) > len(head) and shapes[-1] == ():
            yield head, ("u_product",)


def _runs(body: Sequence[Shape], layout: Layout) -> tuple[Shape, ...] | None:
    """Return the shapes of the variables whose state is laid out so, or None if it cannot be."""
    times = sum(len(block) for block in layout)
    if not times or len(body) % times:
        return None if body else ()
    count, runs, at = len(body) // times, set(), 0
    for block in layout:
        part = body[at : at + count * len(block)]
        at += len(part)
        each = [part[i * len(block) : (i + 1) * len(block)] for i in range(count)]
        shapes = [members[-1] for members in each]
        if any(
            list(members) != [_kept(kind, shape) for kind in block] for members, shape in zip(each, shapes, strict=True)
        ):
            return None
        runs.add(tuple(shapes))
    return runs.pop() if len(runs) == 1 else None


def _kept(kind: str, shape: Shape) -> Shape:
    """Return the shape of a kind of state: as that of its variable, but for the averages over its last dimensions."""
    if kind not in ("r", "c"):
        return shape
    return () if len(shape) < 2 else (*shape[:-2], shape[-2 if kind == "r" else -1])


def _unrolled(layout: Layout, owners: Sequence[str]) -> list[tuple[str, str | None]]:
    return [(kind, owner) for block in layout for owner in owners for kind in block]
