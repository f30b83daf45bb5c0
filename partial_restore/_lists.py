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
    shapes: Sequence[Shape],
    weights: Weights,
    family: str,
    names: tuple[str, ...],
    config: Mapping[str, object] | None = None,
) -> list[State]:
    """Return what each member of an optimizer's list is, as far as it is forced.

    >>> kernel, bias = (3, 4), (4,)
    >>> keys = {"layers/dense/vars/0": kernel, "layers/dense/vars/1": bias}
    >>> weights = Weights(keys, dict.fromkeys(keys, ("layers", "dense")), {})
    >>> found = states_of_list([(), (), kernel, kernel, bias, bias], weights, "adam", ())
    >>> [(state.kind, state.owner) for state in found[1:4]]
    [('learning_rate', None), ('momentum', 'layers/dense/vars/0'), ('velocity', 'layers/dense/vars/0')]
    """
    frames = list(_frames(shapes, config, is_nadam=family == "nadam"))
    readings = _readings(shapes, layouts_of(family, config), frames, weights)
    if readings:
        agreed = [each[0] if len({*each}) == 1 else ("", None) for each in zip(*readings, strict=True)]
        return [State(kind, family, names, owner, by_order=True) for kind, owner in agreed]
    has_rate = family != "nadam" and () not in weights.shapes.values() and len(shapes) > 1
    once = ["iterations", "learning_rate"] if has_rate else ["iterations"]
    known = [kind for kind, shape in zip(once, shapes, strict=False) if shape == ()]
    return [State(kind, family, names) for kind in [*known, *[""] * (len(shapes) - len(known))]]


def layouts_of(family: str, config: Mapping[str, object] | None = None) -> list[Layout]:
    """Return the blocks of state that an optimizer may have made: one answer where its configuration is known.

    >>> layouts_of("adam", {"amsgrad": True})
    [(('momentum', 'velocity'), ('velocity_hat',))]
    """
    average = _optional("average", "use_ema", config)
    accumulated = _optional("gradient_accumulator", "gradient_accumulation_steps", config)
    common = [one + other for one, other in product(average, accumulated)]
    are_both = config is not None and all(len(each) > 1 for each in common)
    side_by_side: list[Layout] = [(("average", "gradient_accumulator"),)] if are_both else []  # Up to Keras 3.3.
    parts: list[list[Layout]] = [[*common, *side_by_side]]
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


_PRODUCT = ("u_product",)
"""What Nadam keeps once, in Keras up to 3.3 before all other state."""

_Reading = tuple[tuple[str, str | None], ...]


def _readings(
    shapes: Sequence[Shape], layouts: Sequence[Layout], frames: Sequence[_Frame], weights: Weights
) -> list[_Reading]:
    """Return the ways to read the list: what each member is, and whose. There is none if the weights explain one in several ways."""
    found: list[_Reading] = []
    for layout, (head, tail) in product(layouts, frames):
        runs = _runs(shapes[len(head) : len(shapes) - len(tail)], layout)
        owners = owners_of(weights, runs) if runs is not None else ()
        if owners is None or len(owners) > 1:
            return []
        found.extend(
            (*((kind, None) for kind in head), *_unrolled(layout, each), *((kind, None) for kind in tail))
            for each in owners
        )
    return found


_Frame = tuple[tuple[str, ...], tuple[str, ...]]
"""What stands once before and behind the state of the variables."""


def _frames(shapes: Sequence[Shape], config: Mapping[str, object] | None, *, is_nadam: bool) -> Iterator[_Frame]:
    """Yield what may stand once around the state of the variables: a schedule has no learning rate to keep."""
    is_scheduled = config is not None and isinstance(config.get("learning_rate"), dict)
    for head in [("iterations",), *([] if is_scheduled else [("iterations", "learning_rate")])]:
        for more, tail in [((), ()), *([((), _PRODUCT), (_PRODUCT, ())] if is_nadam else [])]:
            front = (*head, *more)
            if len(shapes) >= len(front) + len(tail) and not any(
                [*shapes[: len(front)], *(shapes[-1:] if tail else ())]
            ):
                yield front, tail


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
