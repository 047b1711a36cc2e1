"""Follow the trace of a function and return its results as scalar expressions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.adapters.host import elements
from edgewright.adapters.host.elements import BOOL, ELEMENTS, Element, floating
from edgewright.adapters.host.graph import Graph, Untranslatable, inputs
from edgewright.adapters.host.shapes import RULES

KNOWN: tuple[tuple[str, Callable[..., Any], Element], ...] = (
    ("floor_divide", jnp.floor_divide, elements.FLOOR_DIVIDE),
    ("remainder", jnp.remainder, elements.MODULO),
)
"""Functions of ``jax.numpy`` on whole numbers that NumPy has as one operation."""

_INLINED = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call")


def arguments(graph: Graph, tree: Any, known: bool = False) -> list[np.ndarray]:
    """Return nodes for the leaves of a record: constants of its numbers, or arguments.

    Args:
        graph: the program.
        tree: numbers, or what ``jax.eval_shape`` returns.
        known: whether the numbers are constants of the program.
    """
    leaves = jax.tree.leaves(tree)
    if known:
        return [graph.constants(np.asarray(jnp.asarray(leaf))) for leaf in leaves]
    return [inputs(leaf.shape, leaf.dtype) for leaf in leaves]


def translate(graph: Graph, traced: Any, given: list[np.ndarray]) -> list[np.ndarray]:
    """Return the results of a traced function, an array of nodes a leaf.

    Args:
        graph: the program that the results belong to.
        traced: what ``jax.make_jaxpr`` returns.
        given: nodes of its arguments, an array a leaf.

    Raises:
        Untranslatable: an operation has no rule, or the program grows too large.
    """
    return _followed(graph, traced.jaxpr, traced.consts, given)


def _followed(graph: Graph, jaxpr: Any, consts: Any, given: list[np.ndarray]) -> list[np.ndarray]:
    values: dict[Any, np.ndarray] = {}

    def read(variable: Any) -> np.ndarray:
        if hasattr(variable, "val"):  # a literal
            return graph.constants(np.asarray(variable.val, variable.aval.dtype))
        return values[variable]

    for variable, value in zip(jaxpr.constvars, consts, strict=True):
        values[variable] = graph.constants(np.asarray(value))
    values |= zip(jaxpr.invars, given, strict=True)
    for equation in jaxpr.eqns:
        results = _equation(graph, equation, [read(one) for one in equation.invars])
        for variable, result in zip(equation.outvars, results, strict=True):
            _check(equation.primitive.name, variable.aval, result)
        values |= zip(equation.outvars, results, strict=True)
    return [read(one) for one in jaxpr.outvars]


def _check(name: str, aval: Any, result: np.ndarray) -> None:
    """Refuse a rule that did not expect these arguments: its result has another form than JAX's."""
    types = {node.dtype for node in result.reshape(-1)} or {aval.dtype}
    if result.shape != aval.shape or types != {aval.dtype}:
        raise Untranslatable(f"{name} returned {result.shape} of {types}, not {aval}")


def _equation(graph: Graph, equation: Any, args: list[np.ndarray]) -> list[np.ndarray]:
    name, p = equation.primitive.name, equation.params
    if name in _INLINED:
        known = _known(equation)
        if known is not None:
            return [graph.elementwise(known, *args)]
        inner = p.get("jaxpr") or p.get("call_jaxpr")
        if inner is None:
            raise Untranslatable(name)
        return _followed(graph, inner.jaxpr, inner.consts, args)
    if name in RULES:
        return [np.asarray(RULES[name](graph, args, p), object)]  # one number may come bare
    if name == "convert_element_type":
        return [_converted(graph, args[0], equation)]
    return [graph.elementwise(_element(name, equation), *args)]


def _converted(graph: Graph, values: np.ndarray, equation: Any) -> np.ndarray:
    before, after = equation.invars[0].aval.dtype, np.dtype(equation.params["new_dtype"])
    element = elements.convert(np.dtype(before), after)
    return values if element is None else graph.elementwise(element, values)


def _element(name: str, equation: Any) -> Element:
    """Return the operation on scalars of an equation, by its name and type."""
    p, dtype = equation.params, np.dtype(equation.invars[0].aval.dtype)
    if name in ("and", "or", "not"):
        logical = {"and": elements.AND, "or": elements.OR, "not": elements.NOT}
        integers = {"and": elements.BIT_AND, "or": elements.BIT_OR, "not": elements.INVERT}
        return (logical if dtype == BOOL else integers)[name]
    if p.get("accuracy") is not None:
        raise Untranslatable(f"{name} with a chosen accuracy")
    by_type = {"div": elements.DIV, "rem": elements.REM, "pow": elements.POW}
    integers = {"div": elements.CUT_DIVIDE, "rem": elements.REM}
    if name == "round":
        if p["rounding_method"] != jax.lax.RoundingMethod.TO_NEAREST_EVEN:
            raise Untranslatable("rounding halves away from zero")
        return elements.RINT
    result = (by_type if floating(dtype) else integers).get(name) or ELEMENTS.get(name)
    if result is None or (dtype == BOOL and name not in ("eq", "ne")):
        raise Untranslatable(f"{name} of {dtype.name}")
    return result


def _known(equation: Any) -> Element | None:
    """Return the operation that a call is, where its trace is that of a known function."""
    avals = [variable.aval for variable in equation.invars]
    for name, function, element in KNOWN:
        if equation.params.get("name") == name and not floating(np.dtype(avals[0].dtype)):
            types = tuple((one.shape, one.dtype.name, one.weak_type) for one in avals)
            if str(equation.params["jaxpr"]) == _trace_text(function, types):
                return element
    return None


@functools.cache
def _trace_text(function: Callable[..., Any], types: Any) -> str:
    """Return the trace of a function of ``jax.numpy`` as text, without its outer call."""
    shaped = [jax.ShapeDtypeStruct(shape, dtype, weak_type=weak) for shape, dtype, weak in types]
    equations = jax.make_jaxpr(function)(*shaped).jaxpr.eqns
    return str(equations[0].params.get("jaxpr")) if len(equations) == 1 else ""
