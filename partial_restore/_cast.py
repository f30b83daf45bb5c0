"""Which dtype may become which: a table of what each can hold. Pure; standard library only."""

from __future__ import annotations

from typing import Literal

Cast = Literal["same_kind", "safe", "never"]

_FLOATS = {  # Bits of exponent and of mantissa: IEEE 754-2019, and for bfloat16 and float8 the definitions of ml_dtypes.
    "float8_e5m2": (5, 2),
    "float8_e4m3fn": (4, 3),
    "float16": (5, 10),
    "bfloat16": (8, 7),
    "float32": (8, 23),
    "float64": (11, 52),
}
_COMPLEX = {"complex64": (8, 23), "complex128": (11, 52)}
_INTEGERS = {f"{sign}int{bits}": (bool(not sign), bits) for sign in ("", "u") for bits in (4, 8, 16, 32, 64)}


def is_castable(source: str, target: str, policy: Cast) -> bool:
    """Say whether values of dtype ``source`` may be stored as dtype ``target``.

    >>> is_castable("float32", "bfloat16", "same_kind"), is_castable("float32", "bfloat16", "safe")
    (True, False)
    >>> is_castable("float32", "int32", "same_kind")
    False
    """
    if source == target:
        return True
    if policy == "never":
        return False
    for table in (_FLOATS, _COMPLEX):
        if source in table and target in table:
            return policy == "same_kind" or all(a <= b for a, b in zip(table[source], table[target], strict=True))
    if source in _INTEGERS and target in _INTEGERS:
        return policy == "same_kind" or _holds(_INTEGERS[target], _INTEGERS[source])
    return False


def _holds(wide: tuple[bool, int], narrow: tuple[bool, int]) -> bool:
    """Say whether every integer of ``narrow`` is one of ``wide``; each is (signed, bits)."""
    signed, bits = wide
    return bits >= narrow[1] if signed == narrow[0] else signed and bits > narrow[1]
