"""What should have happened to every variable, told from the specs alone. Pure: no file, no TensorFlow.

Two things are decided here. *Certain* is a layer of which every name from the root down was given by a person, is kept
by the format, and did not change: missing it is a defect. *Unseen* is the documented limit: layers without names
which, in their scope, are as many as before and of the same classes, variables, shapes and (for models) contents, one
after the other, look the same to anyone who has no names; what stood in the same place is then loaded, though the
identities moved. A wrong load is forgiven only if it is this very one, and if all models around the layer are known by
name, look the same as well, or are the same. Everything else that goes to a variable of another origin is wrong.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from generated.files import ARRAYS, CHECKPOINTS, LABELLED
from generated.specs import WRAPPERS, Layer

Label = tuple[str, ...]
"""A given name, or the class by which layers without names are counted."""

Shapes = Mapping[tuple[int, str], tuple[int, ...]]
"""The shapes of a model's variables by their owners."""

GIVEN = "given"

_HOMES = ("attribute", "list", "dict")
"""Where members of a subclassed model are, in the order in which it is given them."""

KEEPING = (*LABELLED, "legacy", "unlabelled", "live", "subset")
"""The formats that keep something of every layer."""


@dataclass(frozen=True, slots=True)
class Side:
    """A model as a file of one format, or a tool that has only that file, may know it."""

    spec: Layer
    shapes: Shapes
    form: str
    family: str = "keras"
    has_config: bool = False

    @property
    def is_unlabelled(self) -> bool:
        """Say whether the file knows layers by their classes and places."""
        if self.has_config:
            return False
        return self.form == "unlabelled" or (self.family == "tf_keras" and self.form in LABELLED)

    def label(self, home: Layer, member: Layer, around: Sequence[Layer]) -> Label:
        """Return the name of a member as far as the format keeps it."""
        if home.kind == "net" and self.family == "tf_keras" and self.form in LABELLED:
            is_first = member.home == "attribute" and member.key > "layers"  # Keras 2 goes from the last to the first.
            return (GIVEN, member.key) if is_first else ("layers", _class(member))
        if home.kind == "net" and member.home == "attribute":
            is_listed = self.form in (*LABELLED, "unlabelled") and member.key > "layers"  # Keras met it there first.
            if not is_listed:
                return GIVEN, member.key
            return (GIVEN, member.name) if member.name and not self.is_unlabelled else ("layers", _class(member))
        if home.kind == "net" and self.family == "tf_keras" and self.form in CHECKPOINTS:
            return (GIVEN, member.key) if member.home == "dict" else ("list",)
        if home.kind == "net" and self.form in CHECKPOINTS:
            return ("dropped",)
        if home.kind == "net" and self.form not in LABELLED and not self.is_unlabelled:
            return (GIVEN, member.key) if member.home == "dict" else ("list",)
        is_deferred = home.kind == "sequential" and not home.builds
        if (
            self.form in CHECKPOINTS
            and is_deferred
            and any(each.kind == "net" and not each.is_buildable for each in around)
        ):
            return (
                "place",
            )  # Its layers are built in the scope of the subclassed model, which is all that is recorded.
        if self.form in CHECKPOINTS and member.kind == "net" and not self._is_told(member):
            return ("place",)  # Its layers' names are lost, and with them its own where no sibling tells.
        if self.form in CHECKPOINTS and member.kind == "functional" and home.kind != "net":
            return ("place",)  # Keras names what is in it as if it stood beside it.
        if member.name and not self.is_unlabelled:
            return GIVEN, member.name
        return (member.home if home.kind == "net" else "layers", _class(member))

    def _is_told(self, net: Layer) -> bool:
        """Say whether a variable that TensorFlow sees has the name of a net in its own: those of models built before have not."""
        seen = (each for each in self.counted(net) if each.home == "attribute" and each.kind != "functional")
        return net.is_buildable and any(not (each.kind == "sequential" and each.builds) for each in seen)

    def looks(self, member: Layer, around: Sequence[Layer]) -> tuple[str, object]:
        """Return all that is visible of a layer but its own name."""
        if not member.is_container:
            return "", sorted((role, shape) for (uid, role), shape in self.shapes.items() if uid == member.uid)
        inner = (*around, member)
        parts = [(self.label(member, each, inner), self.looks(each, inner)) for each in self.counted(member)]
        return member.kind, parts if self.order(inner) else sorted(parts, key=lambda part: part[0])

    def order(self, around: Sequence[Layer]) -> Literal["all", "class", ""]:
        """Return among which layers of the last model the file tells the order: all members, those of one class, or none."""
        if self.form in (*CHECKPOINTS, "legacy", "live", "subset"):
            return "all"
        is_in_config = all(each.kind != "net" for each in around)  # That of a subclassed model tells no layers.
        if self.form == "archive" and self.family == "keras" and is_in_config:
            return "all"
        return "class" if self.form in LABELLED and not self.is_unlabelled else ""

    @property
    def flat(self) -> Sequence[str]:
        """Return the kinds of inner models of which the file may say nothing: Keras 2 names none before its layers."""
        if self.form in ARRAYS and self.family == "tf_keras":
            return "functional", "sequential"
        return ("functional",) if self.form in (*ARRAYS, "legacy") else ()

    def counted(self, home: Layer) -> list[Layer]:
        """Return the members that have variables, as far as the format knows; a subclassed model takes its attributes first."""
        seen = [each for each in home.distinct() if self._is_seen(home, each)]
        if home.kind != "net":
            return seen
        is_sorted = self.family == "tf_keras"  # It lists the layers of a dict in the order of its keys.

        def place(member: Layer) -> tuple[int, str]:
            return _HOMES.index(member.home), member.key if is_sorted and member.home == "dict" else ""

        return sorted(seen, key=place)

    def _is_seen(self, home: Layer, member: Layer) -> bool:
        if home.kind == "net" and member.home != "attribute" and self.form in CHECKPOINTS and self.family == "keras":
            return False  # Keras does not let TensorFlow see what is in lists and dicts.
        if member.is_container:
            return any(self._is_seen(member, each) for each in member.members)
        return member.uid in {uid for uid, _ in self.shapes}


def _class(layer: Layer) -> str:
    return f"{layer.kind}{layer.is_buildable}" if layer.kind == "net" else layer.kind


def certain(saved: Side, edited: Side) -> set[int]:
    """Return the layers whose names are all given, kept and the same on both sides, and those of no other layer.

    Of a model that did not change these are all layers, where the format keeps something of each.
    """
    if _is_same(saved.spec, edited.spec) and saved.form in KEEPING:
        return {each.uid for each in saved.spec.walk()}
    if edited.spec.uid != saved.spec.uid and saved.form in ARRAYS:
        return set()  # Keras' paths name the root before some layers, and not before those of inner models.
    is_wrapped = edited.spec.uid != saved.spec.uid
    before, after = _given(saved, saved.spec, ()), _given(edited, _same(saved.spec, edited.spec), ())
    once = _once(before) & _once(after) - {()}
    ends = _ends(saved.spec), _ends(edited.spec)
    if is_wrapped or saved.form in (*ARRAYS, *CHECKPOINTS, "legacy"):  # Some of them drop names from the front.
        once = {path for path in once if path and all(each[path] == 1 for each in ends)}
    kinds = {each.uid: each.kind for each in edited.spec.walk()}
    retyped = {each.uid for each in saved.spec.walk() if kinds.get(each.uid) != each.kind}
    has_variables = {uid for uid, _ in saved.shapes}
    certain_paths = {uid for uid, path in before.items() if path in once and after.get(uid) == path}
    unmet = {uid for uid, path in before.items() if path is None or after.get(uid) != path or uid in retyped}
    if is_wrapped and unmet & has_variables and (_has_twice(ends) or _is_taken(saved, edited, unmet & has_variables)):
        return set()  # Where a name stands twice, a model within another must explain all of the file.
    # A layer of another class is another one, whatever of it is called the same.
    found = certain_paths - retyped - _blurred(saved, edited) - _cut_short(saved, ends)
    if is_wrapped and len(_tops(saved.spec, found & has_variables)) < 2:
        return set()  # One name that the file knows may be anywhere.
    return found


def _cut_short(saved: Side, ends: Sequence[Counter[tuple[str, ...]]]) -> set[int]:
    """Return the layers within inner Functional models that are called as others are from there on.

    They were named before the model was put into another one: nothing above it is in their names.
    """
    if saved.form not in (*ARRAYS, *CHECKPOINTS):
        return set()
    inner = [home for home in saved.spec.walk() if home.kind == "functional" and home.uid != saved.spec.uid]
    return {uid for home in inner for uid, path in _paths(home) if any(each[path] != 1 for each in ends)}


def _paths(home: Layer) -> Iterator[tuple[int, tuple[str, ...]]]:
    for member in home.distinct():
        own = (_called(home, member) or "",)
        yield member.uid, own
        yield from ((uid, (*own, *path)) for uid, path in _paths(member))


def _tops(spec: Layer, uids: set[int]) -> set[str | int]:
    """Return what a model calls that in which some layers are; a list or a dict is called the same for all of its members."""
    return {
        each.home if each.home != "attribute" else each.uid
        for each in spec.members
        if uids.intersection(below.uid for below in each.walk())
    }


def _is_same(saved: Layer, edited: Layer) -> bool:
    """Say whether nothing was changed but what is trained."""
    pairs = list(zip(saved.walk(), edited.walk(), strict=False))
    is_alike = all(
        replace(ours, members=(), frozen=False) == replace(theirs, members=(), frozen=False) for ours, theirs in pairs
    )
    return is_alike and len(pairs) == len(list(saved.walk())) == len(list(edited.walk()))


def _blurred(saved: Side, edited: Side) -> set[int]:
    """Return the layers with a name of which a format tells too little: how it numbers their variables, or who is in them."""
    layers = {each.uid: each for each in saved.spec.walk()}
    if saved.form in ARRAYS:
        return {uid for uid, each in layers.items() if each.kind in WRAPPERS}  # The layer within has no name.
    if saved.form in CHECKPOINTS:  # And no name of the Functional model around.
        inner = [home for home in saved.spec.walk() if home.kind == "functional" and home.uid != saved.spec.uid]
        return {each.uid for home in inner for each in home.walk() if each.kind in WRAPPERS}
    if saved.form in (*LABELLED, "unlabelled"):
        return {each.uid for each in edited.spec.walk() if each.has_bias != layers.get(each.uid, each).has_bias}
    return set()


def _ends(spec: Layer) -> Counter[tuple[str, ...]]:
    """Return how many layers have a name that ends so, whether a format keeps it or not."""
    ends: Counter[tuple[str, ...]] = Counter()

    for _, path in _paths(spec):
        ends.update(path[start:] for start in range(len(path)))
    return ends


def _is_taken(saved: Side, edited: Side, gone: set[int]) -> bool:
    """Say whether another layer of the edited model has the name of one that is gone."""
    return any(
        _called(home, member) in {_called(at, each) for at in edited.spec.walk() for each in at.members} - {None}
        for home in saved.spec.walk()
        for member in home.members
        if member.uid in gone
    )


def _called(home: Layer, member: Layer) -> str | None:
    return member.key if home.kind == "net" else member.name


def _has_twice(ends: Iterable[Counter[tuple[str, ...]]]) -> bool:
    """Say whether layers at two places of a model have one name."""
    return any(times > 1 and path[0] for each in ends for path, times in each.items() if len(path) == 1)


def _once(paths: Mapping[int, tuple[str, ...] | None]) -> set[tuple[str, ...] | None]:
    times = Counter(paths.values())
    return {path for path in paths.values() if path is not None and times[path] == 1}


def _same(saved: Layer, edited: Layer) -> Layer:
    """Return the model within a model that was wrapped around it."""
    return next(each for each in edited.walk() if each.uid == saved.uid)


def _given(
    side: Side, home: Layer, around: Sequence[Layer], *, by_name: bool = False
) -> dict[int, tuple[str, ...] | None]:
    """Return the paths by which layers are known, None where they are not; attributes only if names repeat them."""
    found: dict[int, tuple[str, ...] | None] = {}
    inner = (*around, home)
    for member in home.distinct():
        label = side.label(home, member, inner)
        own = (label[1],) if label[0] == GIVEN and (member.name or not by_name) else None
        dropped = ("functional",) if side.form in CHECKPOINTS else side.flat if side.form in ARRAYS else ()
        is_left_out = member.kind in dropped and home.kind != "net"
        only_by_name = by_name or (is_left_out and own is None)
        if is_left_out:
            own = ()  # Keras names what is in such an inner model without the model.
        found[member.uid] = own
        for uid, path in _given(side, member, inner, by_name=only_by_name).items():
            found[uid] = None if own is None or path is None else (*own, *path)
    return found


def unseen(saved: Side, edited: Side) -> dict[int, set[int]]:
    """Return for each layer of the edited model which saved ones stood where it stands, if nothing tells them apart.

    A model around the saved one, with something removed within, may look as the saved one did.
    """
    readings = [(saved, edited)]
    if (saved.family, saved.form) == ("tf_keras", "archive"):  # Its configuration has the names of some models' layers.
        readings.append((replace(saved, has_config=True), replace(edited, has_config=True)))
    pairs: list[tuple[int, int]] = []
    for before, after in readings:
        pairs += _in_order(before, after, saved.spec, _same(saved.spec, edited.spec), ((), ()))
        (_, old), (_, new) = before.looks(saved.spec, ()), after.looks(edited.spec, ())
        if old == new or not _is_any_left(before, after):
            pairs += _in_order(before, after, saved.spec, edited.spec, ((), ()))
        elif saved.form in ARRAYS or not certain(before, after):
            # A name is all that arrays tell; and what a model was wrapped in may have a layer of the only one that is known.
            pairs += _namesakes(before, after)
            pairs += _namesakes_within(before, after)
    found: dict[int, set[int]] = defaultdict(set)
    for mine, yours in (*pairs, *_flattened(saved, edited, ([saved.spec], [edited.spec]))):
        if mine != yours:
            found[mine].add(yours)
    return found


def _is_any_left(saved: Side, edited: Side) -> bool:
    """Say whether a layer that has variables is still of its class: if not, a model around them may as well be another one."""
    kinds = {each.uid: each.kind for each in edited.spec.walk()}
    has_variables = {uid for uid, _ in saved.shapes}
    return any(kinds.get(each.uid) == each.kind for each in saved.spec.walk() if each.uid in has_variables)


def _namesakes(saved: Side, edited: Side) -> Iterator[tuple[int, int]]:
    """Yield what has the same given name from the root on."""
    before, after = _given(saved, saved.spec, ()), _given(edited, edited.spec, ())
    theirs = {path: uid for uid, path in before.items() if path in _once(before)}
    yield from ((mine, theirs[path]) for mine, path in after.items() if path in _once(after) and path in theirs)
    yield from _namesakes_unseen(saved, edited)


def _namesakes_unseen(saved: Side, edited: Side) -> Iterator[tuple[int, int]]:
    """Yield what has the name of a layer in a list or dict, of which a checkpoint of Keras 3 has that name and no path."""
    if saved.form not in CHECKPOINTS or saved.family != "keras":
        return
    nets = [each for each in saved.spec.walk() if each.kind == "net"]
    hidden = {each.uid for net in nets for home in net.members if home.home != "attribute" for each in home.walk()}
    before, after = ([each for each in side.spec.walk() if each.name] for side in (saved, edited))
    times = [Counter(each.name for each in layers) for layers in (before, after)]
    theirs = {each.name: each.uid for each in before if each.uid in hidden and times[0][each.name] == 1}
    yield from ((each.uid, theirs[each.name]) for each in after if each.name in theirs and times[1][each.name] == 1)


def _namesakes_within(saved: Side, edited: Side) -> Iterator[tuple[int, int]]:
    """Yield the namesakes in an inner model that has one for every layer: as if it had been taken out of the saved one."""
    has_variables = {uid for uid, _ in edited.shapes}
    for home in saved.spec.walk():
        pairs = [*_namesakes(replace(saved, spec=home), edited)]
        if has_variables <= {mine for mine, _ in pairs}:
            yield from pairs


def _in_order(
    saved: Side, edited: Side, before: Layer, after: Layer, around: tuple[Sequence[Layer], Sequence[Layer]]
) -> Sequence[tuple[int, int]]:
    inner = ((*around[0], before), (*around[1], after))
    theirs, ours = _groups(saved, before, inner[0]), _groups(edited, after, inner[1])
    pairs: list[tuple[int, int]] = []
    moved = _moved(saved.order(inner[0]), before, after, (theirs, ours))
    for label in ours.keys() & theirs.keys():
        is_given, is_alone = label[0] == GIVEN, len(ours[label]) == len(theirs[label]) == 1
        is_same = _looks(edited, ours[label], inner[1]) == _looks(saved, theirs[label], inner[0])
        is_same = is_same and label not in moved
        for mine, yours in zip(ours[label], theirs[label], strict=False):
            if mine.is_container and mine.kind == yours.kind and (is_same or is_alone):
                pairs.extend(_in_order(saved, edited, yours, mine, inner))
            elif is_same or is_given:  # Who takes the name of another layer, in its place, is that layer.
                pairs.append((mine.uid, yours.uid))
    known = {each.uid: each for each in before.distinct() if each.is_container}
    for mine in after.distinct():  # Whatever told which one it is, what is in it may look as before.
        if mine.uid in known and known[mine.uid].kind == mine.kind:
            pairs.extend(_in_order(saved, edited, known[mine.uid], mine, inner))
    return [*pairs, *_flattened(saved, edited, inner)]


def _moved(
    order: str, before: Layer, after: Layer, groups: tuple[Mapping[Label, list[Layer]], Mapping[Label, list[Layer]]]
) -> set[Label]:
    """Return the groups of several layers without names of which a file can tell that a layer beside them moved."""
    theirs, ours = groups
    orders = [[each.uid for each in home.distinct()] for home in (before, after)]
    pairs = {
        label: [
            (orders[0].index(yours.uid), orders[1].index(mine.uid))
            for mine, yours in zip(ours[label], theirs[label], strict=False)
        ]
        for label in ours.keys() & theirs.keys()
    }

    def is_told(label: Label, other: Label) -> bool:
        if other[0] != GIVEN and len(theirs[other]) != len(ours[other]):
            return False  # Nobody knows which of them are new.
        kinds = {each.kind for each in (*theirs[label], *theirs[other])}
        return order == "all" or (order == "class" and len(kinds) == 1)

    if before.kind == "net":
        return set()
    return {
        label
        for label, group in pairs.items()
        if len(group) > 1 and label[0] != GIVEN
        for other, beside in pairs.items()
        if other != label and is_told(label, other)
        for place in beside
        if len({sum(each[side] < place[side] for each in group) for side in (0, 1)}) > 1
    }


def _flattened(saved: Side, edited: Side, inner: tuple[Sequence[Layer], Sequence[Layer]]) -> Iterator[tuple[int, int]]:
    """Yield what stands in the same place of two models if the layers of inner ones stand among their own.

    Legacy files and Keras' paths have no name of an inner model before those of its layers; arrays have no order.
    """
    if not saved.flat or "net" in (inner[0][-1].kind, inner[1][-1].kind):
        return
    before, after = (
        [*_flat(side, around[-1], saved.flat)] for side, around in zip((saved, edited), inner, strict=True)
    )
    if not saved.order(inner[0]):
        before, after = (sorted(members, key=_called_or_class) for members in (before, after))
    alike = [
        [(_called_or_class(each), side.looks(each, around)) for each in members]
        for side, members, around in ((saved, before, inner[0]), (edited, after, inner[1]))
    ]
    if alike[0] == alike[1]:
        yield from ((mine.uid, yours.uid) for mine, yours in zip(after, before, strict=True))


def _called_or_class(layer: Layer) -> str:
    return layer.name or _class(layer)


def _flat(side: Side, home: Layer, kinds: Sequence[str]) -> Iterator[Layer]:
    for member in side.counted(home):
        if member.kind in kinds and home.kind != "net":
            yield from _flat(side, member, kinds)
        else:
            yield member


def _looks(side: Side, members: Sequence[Layer], around: Sequence[Layer]) -> list[object]:
    return [side.looks(member, around) for member in members]


def _groups(side: Side, home: Layer, around: Sequence[Layer]) -> dict[Label, list[Layer]]:
    groups: dict[Label, list[Layer]] = {}
    for member in side.counted(home):
        groups.setdefault(side.label(home, member, around), []).append(member)
    return groups
