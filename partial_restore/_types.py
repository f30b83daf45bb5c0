"""The nouns that every part of the package speaks: what a side has, and what was decided.

Frozen data and nothing else: standard library only, no TensorFlow, no I/O.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Group = Literal["model", "optimizer", "metric", "seed", "copy", "asset", "internal", "foreign"]
"""What an entry is part of. Only ``model`` is restored unless the caller asks for more."""

GROUP_REASONS: dict[str, str] = {
    "optimizer": "optimizer state is not restored",
    "metric": "metric state is not restored",
    "seed": "the state of a random generator is not restored",
    "asset": "a file that a layer keeps, such as a vocabulary; it is not restored",
    "copy": "a second copy of a weight that the file has under its name",
    "foreign": "laid out for another implementation of the layer (cuDNN, Theano); its numbers mean something else here",
    "internal": "bookkeeping of the file, not a weight",
}


Note = Callable[[Iterable[str]], object]
"""What is told the keys of variables before they change."""

Place = tuple[str, int]
"""Where a layer stands among others: its number, and a word for those among which it has one."""


class Name(NamedTuple):
    """A path of segments under which a side knows a tensor.

    ``said`` marks the segments that a person is known to have chosen (an attribute), False those that may be
    automatic, such as ``dense_3`` (a layer), None those of which the side knows nothing. A number in a list is a
    position whatever is said. ``places`` are, where they are known, those of layers in the list of their model.
    It ``is_derived`` if it is what a file would have that knows of the layers only what the full names of variables tell.
    """

    segments: tuple[str, ...]
    said: tuple[bool | None, ...]
    places: tuple[Place | None, ...] = ()
    is_derived: bool = False

    @property
    def text(self) -> str:
        return "/".join(self.segments)

    @property
    def tells_all(self) -> bool:
        """Whether a person chose every segment, and none is a place in a list."""
        return all(self.said) and not any(map(str.isdecimal, self.segments))


def name_of(text: str, *, said: bool | None = False) -> Name:
    """Return the name that ``text`` spells, its segments separated by ``/``."""
    segments = tuple(text.split("/"))
    return Name(segments, (said,) * len(segments))


def in_pieces(name: Name) -> Name:
    """Return the name with its segments cut at slashes, which the layers of Keras 2 may have in their names.

    >>> in_pieces(Name(("net", "conv/norm", "gamma"), (False, False, True), (("", 0), ("", 3), None)))[::2]
    (('net', 'conv', 'norm', 'gamma'), (('', 0), ('', 3), None, None))
    """
    if not any("/" in segment for segment in name.segments):
        return name
    cut = [segment.split("/") for segment in name.segments]
    said = (each for each, pieces in zip(name.said, cut, strict=True) for _ in pieces)
    places = (
        each for place, (_, *more) in zip(name.places, cut, strict=False) for each in (place, *(None for _ in more))
    )
    return name._replace(segments=tuple(itertools.chain(*cut)), said=tuple(said), places=tuple(places))


@dataclass(frozen=True, slots=True)
class State:
    """What a piece of optimizer state is: it has no identity of its own, it follows its variable.

    ``kind`` is what it means to the ``family`` of optimizers (empty if its side does not tell), ``optimizer`` how its
    side calls the one that keeps it, ``owner`` the key of the variable to which it belongs; None for what an optimizer has once.
    ``lists`` are the attributes in which that optimizer keeps its state, in order, if its side tells. A file may know the owner
    ``by_order`` of a list alone; that tells nothing to a model of which the optimizer has its variables in another order (``is_reordered``).
    """

    kind: str
    family: str
    optimizer: tuple[str, ...] = ()
    owner: str | None = None
    lists: tuple[str, ...] = ()
    by_order: bool = False
    is_reordered: bool = False


Blocks = tuple[tuple[int, str, int], ...]
"""How many segments of a path blocks in lists, and layers in these, stand before its end, what they are called, and how many in a list are called so.
None is of what stands in an attribute, which is its name. So it is with a variable that a list holds itself, one segment before the end."""


class Entry(NamedTuple):
    """One tensor of a checkpoint or one variable of a model.

    ``paths`` are where it stands (attributes, layers, list places; the first is the one shown),
    ``given`` what it was called (the name of an op, a layer's path). Either may be empty, not both. A ``nameless``
    tensor has only a place in a list that is ordered anew by every training: it can be renamed, never matched.
    ``shown`` is what people call it where the checkpoint's layout calls it otherwise. ``ops`` are what TensorFlow 1
    calls it, which tells less: they count where nothing else is known. ``layer`` is the class of its layer, if known, where
    a file only numbers the variables of a layer. ``state`` is what a piece of optimizer state is. A variable is ``frozen`` if
    a file that lists what is not trained last would have it there. Its ``place`` is the one among all variables of its model, if known.
    ``blocks`` are what its side calls those of a person's lists around it, and the layers in these, as far as that is known.
    ``inputs`` are those of its model that feed its layer, if it has several with names that a person chose, and its side tells.
    """

    key: str
    paths: tuple[Name, ...]
    given: tuple[Name, ...]
    shape: tuple[int, ...]
    dtype: str
    group: Group = "model"
    itemsize: int = 0
    nameless: bool = False
    shown: tuple[Name, ...] = ()
    ops: tuple[Name, ...] = ()
    layer: str = ""
    state: State | None = None
    frozen: bool = False
    place: int | None = None
    blocks: Blocks = ()
    inputs: frozenset[str] = frozenset()

    @property
    def called(self) -> Name:
        """The name that is shown."""
        return (self.shown or self.paths or self.given)[0]

    @property
    def name(self) -> str:
        return self.called.text

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize


@dataclass(frozen=True, slots=True)
class Layout:
    """How a checkpoint calls its tensors, which is how the variables of a model must be called to find them.

    ``names``: as the model itself is called. ``ops``: as TensorFlow 1 names variables. ``objects``: by attributes, names of variables and what these tell of the
    layers, which may be less. ``layers``: by the names of layers alone (legacy HDF5 of Keras). ``groups``: by attributes, classes and places (HDF5 of Keras 3); there ``labelled`` says which of the places
    bear the layer's name, and ``groups`` are the paths that the file has. ``unnamed`` says whether there are layers of which it knows the place alone.
    Of the lists, and of the layers in lists, that are ``untold``, which are known by classes, it knows no names though it does of others.
    ``labels`` are the names of the layers at all paths, if it knows them all, and ``by_hand`` the classes of which a person numbered the layers.
    That it ``is_told`` means that a configuration tells the places of the layers in inner models; that it ``is_export``, that what
    TensorFlow called the variables of a Keras model is all that it tells of them. ``keras`` is the major version of the Keras that wrote it, if it tells.
    """

    kind: Literal["names", "ops", "objects", "layers", "groups"] = "names"
    labelled: Literal["all", "lists", "none"] = "all"
    groups: frozenset[tuple[str, ...]] = frozenset()
    unnamed: bool = False
    untold: frozenset[tuple[str, ...]] = frozenset()
    is_told: bool = False
    is_export: bool = False
    labels: Mapping[tuple[str, ...], str] = field(default_factory=dict, hash=False)
    by_hand: frozenset[str] = frozenset()
    keras: int | None = None


class Outcome(enum.Enum):
    """What was decided about one variable of the model."""

    LOADED = "loaded"
    UNSELECTED = "not selected"
    MISSING = "not in the checkpoint"
    MISMATCHED = "the shapes differ"
    UNCASTABLE = "the dtypes do not convert"
    AMBIGUOUS = "undecidable"
    COLLIDED = "two tensors for one variable"


class Match(NamedTuple):
    """The decision for one variable: its outcome, the tensor (or the candidates), why, and by which rule."""

    target: Entry
    outcome: Outcome
    reason: str
    source: Entry | None = None
    candidates: tuple[Entry, ...] = ()
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    """A tensor of the checkpoint that goes nowhere, and why."""

    source: Entry
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The whole plan as data: one `Match` per variable, one `Skip` per tensor that no variable takes.

    ``roots`` were set aside to align the names. ``unfit`` are rename rules that decide for no tensor, ``astray`` those
    that lead to no variable.
    """

    matches: tuple[Match, ...]
    skipped: tuple[Skip, ...]
    roots: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()
    astray: tuple[str, ...] = ()

    def of(self, *outcomes: Outcome) -> list[Match]:
        return [match for match in self.matches if match.outcome in outcomes]


def listing(texts: Sequence[str], limit: int = 20) -> str:
    """Return the texts as indented lines; past ``limit`` the rest is counted, not shown."""
    lines = [f"  {text}" for text in texts[:limit]]
    if len(texts) > limit:
        lines.append(f"  … and {len(texts) - limit} more")
    return "\n".join(lines)
