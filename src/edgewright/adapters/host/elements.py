"""List the operations on scalars, each as Python for one scalar and as NumPy for a column.

A column holds one scalar of every copy of a world, ``[N]``. Both forms round as float32 does, so
one copy and many give the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BOOL = np.dtype(bool)


@dataclass(frozen=True, eq=False)
class Element:
    """One operation on scalars.

    Attributes:
        name: of the operation.
        scalar: Python of one scalar, with ``{0}``, ``{1}``... for the arguments.
        column: the same for columns; ``scalar`` if absent.
        logical: whether the result is bool; otherwise it has the type of the last argument.
        to: the type of the result, where it is neither.
        bound: functions by name that the code calls.
        simplify: returns one of the arguments where the operation is it, None elsewhere.
    """

    name: str
    scalar: str
    column: str = ""
    logical: bool = False
    to: np.dtype | None = None
    bound: Mapping[str, Any] = field(default_factory=dict)
    simplify: Callable[[Any], Any] = lambda args: None

    def result(self, *dtypes: np.dtype) -> np.dtype:
        """Return the type of the result."""
        if self.to is not None:
            return self.to
        return BOOL if self.logical else dtypes[-1]

    def call(self, *values: Any) -> Any:
        """Return the result for NumPy scalars."""
        names = [f"v{index}" for index in range(len(values))]
        code = self.scalar.format(*names)
        return eval(code, dict(self.bound), dict(zip(names, values, strict=True)))


def _same_branch(args: Any) -> Any:
    condition, no, yes = args
    if condition.constant:
        return yes if condition.value else no
    return yes if yes is no else None


def _neutral(value: bool) -> Callable[[Any], Any]:
    """Return what simplifies ``and`` (neutral: true) and ``or`` (neutral: false) of bools."""

    def simplify(args: Any) -> Any:
        for one, other in (args, args[::-1]):
            if one.constant and one.dtype == BOOL:
                return other if bool(one.value) == value else one
        return args[0] if args[0] is args[1] else None

    return simplify


def _times_one(args: Any) -> Any:
    for one, other in (args, args[::-1]):
        if one.constant and one.value == 1:
            return other
    return None


def _over_one(args: Any) -> Any:
    return args[0] if args[1].constant and args[1].value == 1 else None


def _ufunc(name: str, function: Any = None, **more: Any) -> Element:
    """Return a NumPy function of one or two arguments, for scalars and columns alike."""
    function = function or getattr(np, name)
    given = ", ".join(f"{{{index}}}" for index in range(function.nin))
    return Element(name, f"{name}({given})", bound={name: function}, **more)


def _logistic(value: Any) -> Any:
    one = value.dtype.type(1)
    return one / (one + np.exp(-value))


def _cut_divide(value: Any, by: Any) -> Any:
    """Return whole numbers divided and cut towards zero; -1 where the divisor is 0, as in XLA."""
    safe = np.where(by == 0, 1, by).astype(by.dtype)
    cut = np.trunc(np.asarray(value, np.float64) / safe)  # exact: whole numbers of 32 bits
    result = np.where(by == 0, -1, cut).astype(value.dtype)
    return result if result.ndim else result[()]


def _infix(name: str, sign: str, **more: Any) -> Element:
    return Element(name, f"{{0}} {sign} {{1}}", **more)


NOT = Element("not", "not {0}", "~{0}", logical=True)
INVERT = Element("invert", "~{0}")
AND = Element("and", "{0} and {1}", "{0} & {1}", logical=True, simplify=_neutral(True))
OR = Element("or", "{0} or {1}", "{0} | {1}", logical=True, simplify=_neutral(False))
SELECT = Element("select", "{2} if {0} else {1}", simplify=_same_branch)
"""(condition, otherwise, where it holds); columns of it are written by ``emit``."""

EQ = _infix("eq", "==", logical=True)
NE = _infix("ne", "!=", logical=True)
ADD = _infix("add", "+")
MUL = _infix("mul", "*", simplify=_times_one)
MAX = Element(
    "max",
    "{0} if {0} >= {1} or {0} != {0} else {1}",  # NaN in, NaN out
    "maximum({0}, {1})",
    bound={"maximum": np.maximum},
)
MIN = Element(
    "min",
    "{0} if {0} <= {1} or {0} != {0} else {1}",
    "minimum({0}, {1})",
    bound={"minimum": np.minimum},
)
FLOOR_DIVIDE = _infix("floor_divide", "//", simplify=_over_one)
MODULO = _infix("remainder", "%")
BIT_AND = _infix("bit_and", "&")
BIT_OR = _infix("bit_or", "|")
REM = _ufunc("rem", np.fmod)
RINT = _ufunc("rint")
POW = _ufunc("pow", np.power)
CUT_DIVIDE = Element("cut_divide", "cut_divide({0}, {1})", bound={"cut_divide": _cut_divide})
DIV = _infix("div", "/", simplify=_over_one)

ELEMENTS: dict[str, Element] = {
    "add": ADD,
    "sub": _infix("sub", "-"),
    "mul": MUL,
    "max": MAX,
    "min": MIN,
    "lt": _infix("lt", "<", logical=True),
    "le": _infix("le", "<=", logical=True),
    "gt": _infix("gt", ">", logical=True),
    "ge": _infix("ge", ">=", logical=True),
    "eq": EQ,
    "ne": NE,
    "neg": Element("neg", "-{0}"),
    "square": Element("square", "{0} * {0}"),
    "abs": Element("abs", "abs({0})", bound={"abs": abs}),
    "sign": _ufunc("sign"),
    "floor": _ufunc("floor"),
    "ceil": _ufunc("ceil"),
    "sqrt": _ufunc("sqrt"),
    "cbrt": _ufunc("cbrt"),
    "exp": _ufunc("exp"),
    "exp2": _ufunc("exp2"),
    "expm1": _ufunc("expm1"),
    "log": _ufunc("log"),
    "log1p": _ufunc("log1p"),
    "sin": _ufunc("sin"),
    "cos": _ufunc("cos"),
    "tan": _ufunc("tan"),
    "tanh": _ufunc("tanh"),
    "atan2": _ufunc("atan2", np.arctan2),
    "logistic": Element("logistic", "logistic({0})", bound={"logistic": _logistic}),
    "is_finite": _ufunc("is_finite", np.isfinite, logical=True),
    "copy": Element("copy", "{0}", simplify=lambda args: args[0]),
}
"""Operations of JAX that need nothing but their arguments, by name; floats and whole numbers."""


def floating(dtype: np.dtype) -> bool:
    """Return whether a type is one of NumPy's floats."""
    return np.issubdtype(dtype, np.floating)


def _converted(value: Any, dtype: np.dtype) -> Any:
    """Return floats as whole numbers as XLA does: cut, saturated, 0 for NaN."""
    limits = np.iinfo(dtype)
    wide = np.clip(np.nan_to_num(np.asarray(value, np.float64)), limits.min, limits.max)
    cut = np.trunc(wide).astype(dtype)
    return cut if cut.ndim else cut[()]


def convert(before: np.dtype, after: np.dtype) -> Element | None:
    """Return the conversion of a type to another, None where nothing is to be done."""
    key = (before, after)
    if before == after:
        return None
    if key not in _CONVERSIONS:
        _CONVERSIONS[key] = _conversion(before, after)
    return _CONVERSIONS[key]


_CONVERSIONS: dict[tuple[np.dtype, np.dtype], Element] = {}


def _conversion(before: np.dtype, after: np.dtype) -> Element:
    kind = after.name
    name, bound = f"{kind}_of_{before.name}", {f"to_{kind}": after.type, kind: after}
    if after == BOOL:
        return Element(name, "{0} != 0", logical=True)
    if before == BOOL:
        bound |= {f"one_{kind}": after.type(1), f"zero_{kind}": after.type(0)}
        scalar = f"one_{kind} if {{0}} else zero_{kind}"
        return Element(name, scalar, f"{{0}}.astype({kind})", to=after, bound=bound)
    if floating(before) and not floating(after):
        bound |= {f"cut_{kind}": lambda value: _converted(value, after)}
        return Element(name, f"cut_{kind}({{0}})", to=after, bound=bound)
    # A scalar's own astype takes twenty times as long.
    scalar = f"to_{kind}(float({{0}}))" if floating(after) else f"{{0}}.astype({kind})"
    return Element(name, scalar, f"{{0}}.astype({kind})", to=after, bound=bound)
