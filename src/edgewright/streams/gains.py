"""Read channel gains from MATLAB files, as a matrix of one row a slot, one column a device.

The form is that of the files that DROO publishes (Huang, Bi, Zhang, IEEE TMC 19(11), 2020): a
matrix ``input_h`` and, beside it, the enumerated optimum of DROO's own objective. No JAX here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import InputError, nearest
from edgewright.streams.traces import Floats, PathLike, check_is_file, read_raw

GAIN_UNITS = ("linear", "dB")
QUOTED_DB = '"dB"'

MIN_GAIN, MAX_GAIN = 1e-20, 1.0
"""Power gains of a radio channel that receives no more than was sent: -200 to 0 dB."""

MAX_VALUES = 200_000_000
"""Values of a matrix; each takes 8 bytes."""

WEIGHTS = ("weights", "weight")
"""What a vector of weights beside the gains may be called."""


@dataclass(frozen=True, kw_only=True)
class GainReading:
    """Settings that say how a file of gains is read.

    Attributes:
        variable: name of the matrix.
        unit: ``"linear"`` or ``"dB"``; None is linear, and then the gains must be plausible.
        transpose: whether rows are devices and columns slots; None is false, and then a file
            of fewer slots than devices is refused.
        low_gain: floor of the linear gains, for files that hold zeros.
        prefix: what precedes a key of this reading where it is set; hints begin with it.
    """

    variable: str = "input_h"
    unit: str | None = None
    transpose: bool | None = None
    low_gain: float | None = None
    prefix: str = ""

    def __post_init__(self) -> None:
        if self.unit not in (None, *GAIN_UNITS):
            message = f"'{self.unit}' is not a unit of gains"
            hint = nearest(str(self.unit), GAIN_UNITS)
            raise InputError(message, where=f"{self.prefix}unit", hint=hint)
        if self.low_gain is not None and not 0 < self.low_gain <= MAX_GAIN:
            message = f"low_gain = {self.low_gain} must be above 0 and at most {MAX_GAIN:g}"
            hint = "give the least gain that can be measured"
            raise InputError(message, where=f"{self.prefix}low_gain", hint=hint)

    def assignment(self, key: str, value: str) -> str:
        """Return a remedy that sets a key of this reading where it is set."""
        return f"set {self.prefix}{key} = {value}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Gains:
    """The gains of a file, and what stands beside them.

    Attributes:
        gain: ``[slots, devices]`` linear power gains.
        mode: ``[slots, devices]`` actions of the recorded optimum of DROO's objective, or None.
        rate: ``[slots]`` value of that optimum [bit/s], or None.
        weights: ``[devices]`` weights of that objective, or None where the file has none.
        source: name of the file.
    """

    gain: Floats
    mode: Floats | None = None
    rate: Floats | None = None
    weights: Floats | None = None
    source: str = ""


def load_gains(path: PathLike, reading: GainReading | None = None) -> Gains:
    """Read a file of channel gains.

    Raises:
        InputError: the file cannot be read, lacks the matrix, or its numbers cannot be gains.
    """
    reading = reading or GainReading()
    content = read_matrices(Path(path))
    gain = _oriented(_matrix(content, reading, path), reading, path)
    gain = _linear(gain, reading, path)
    beside: dict[str, Floats | None] = {}
    for name, key in (("mode", "output_mode"), ("rate", "output_obj")):
        beside[name] = _beside(content, key, gain, reading, path)
    return Gains(gain=gain, weights=_weights(content, gain, path), source=Path(path).name, **beside)


def _matrix(content: dict[str, Any], reading: GainReading, path: PathLike) -> Floats:
    name = reading.variable
    if name not in content:
        matrices = [key for key, value in content.items() if _is_matrix(value)]
        others = ", ".join(f"'{key}' {content[key].shape}" for key in matrices) or "none"
        message = f"the matrix '{name}' of channel gains is missing; the file's matrices: {others}"
        hint = "give a file of DROO's form"
        if matrices:
            named = reading.assignment("variable", f'"{matrices[0]}"')
            hint = f"{named} if those are power gains (of amplitudes, save the squares)"
        raise InputError(message, where=str(path), hint=hint)
    given = content[name]
    if np.iscomplexobj(given):
        message, hint = f"'{name}' holds complex numbers", "save the power gains, abs(h)^2"
        raise InputError(message, where=str(path), hint=hint)
    gain = np.asarray(given, float)
    if not _is_matrix(gain):
        message = f"'{name}' must be a matrix of two slots or more; it has shape {gain.shape}"
        raise InputError(message, where=str(path), hint="save one row a slot, one column a device")
    return gain


def _is_matrix(value: Any) -> bool:
    return value.ndim == 2 and min(value.shape) > 0 and max(value.shape) > 1


def _oriented(gain: Floats, reading: GainReading, path: PathLike) -> Floats:
    if reading.transpose:
        return gain.T
    slots, devices = gain.shape
    if reading.transpose is None and slots < devices:
        message = f"'{reading.variable}' has {slots} rows (slots) and {devices} columns (devices)"
        turn, keep = (reading.assignment("transpose", value) for value in ("true", "false"))
        hint = f"{turn} if its rows are devices, else {keep} to accept it"
        raise InputError(message, where=str(path), hint=hint)
    return gain


def _linear(gain: Floats, reading: GainReading, path: PathLike) -> Floats:
    """Return linear gains; refuse what cannot be power gains of a channel."""
    name = reading.variable
    if not np.all(np.isfinite(gain)):
        at = tuple(int(n) + 1 for n in np.argwhere(~np.isfinite(gain))[0])
        message = f"'{name}' holds {gain[at[0] - 1, at[1] - 1]} in row {at[0]}, column {at[1]}"
        raise InputError(message, where=str(path), hint="remove that row")
    if reading.unit == "dB":
        if np.max(gain) > 0 or np.min(gain) < -200:
            message = f"'{name}' is from {np.min(gain):g} to {np.max(gain):g} dB"
            hint = "gains are from -200 to 0 dB; of a path loss, save the negative"
            raise InputError(message, where=str(path), hint=hint)
        gain = 10.0 ** (gain / 10.0)
    elif np.median(gain) < 0:
        message = (
            f"'{name}' must be a matrix of positive numbers; it has median {np.median(gain):g}"
        )
        hint = f"{reading.assignment('unit', QUOTED_DB)} if the gains are in decibels"
        raise InputError(message, where=str(path), hint=hint)
    if np.any(gain < 0):
        message = f"'{name}' must be a matrix of positive numbers; it holds {np.min(gain):g}"
        raise InputError(message, where=str(path), hint="remove the rows with negative gains")
    if reading.low_gain is not None:
        gain = np.maximum(gain, reading.low_gain)
    zeros = int(np.sum(gain == 0))
    if zeros:
        positive = gain[gain > 0]
        least = f"{float(np.min(positive)):.3g}" if positive.size else f"{MIN_GAIN:g}"
        message = f"{zeros} of the {gain.size} gains in '{name}' are 0"
        hint = f"{reading.assignment('low_gain', least)} to raise them, or remove their rows"
        raise InputError(message, where=str(path), hint=hint)
    low, high = float(np.min(gain)), float(np.max(gain))
    if reading.unit is None and not (low >= MIN_GAIN and high <= MAX_GAIN):
        message = f"'{name}' is from {low:g} to {high:g}; power gains are {MIN_GAIN:g} to 1"
        accept = reading.assignment("unit", '"linear"')
        hint = f"{accept} to accept them; of a path loss in decibels, save 10^(-loss/10)"
        raise InputError(message, where=str(path), hint=hint)
    return gain


def _beside(
    content: dict[str, Any], key: str, gain: Floats, reading: GainReading, path: PathLike
) -> Floats | None:
    """Return what stands beside the gains in each slot."""
    if key not in content:
        return None
    values = np.asarray(content[key])
    if key == "output_mode" and reading.transpose:
        values = values.T
    values = np.squeeze(np.real(values).astype(float))
    wanted = gain.shape if key == "output_mode" else gain.shape[:1]
    if gain.shape[1] == 1 and key == "output_mode":
        values = values.reshape(-1, 1)
    if values.shape != wanted or not np.all(np.isfinite(values)):
        message = f"'{key}' has shape {values.shape}, and the gains have {gain.shape}"
        hint = "they must belong together; remove it to read the gains alone"
        raise InputError(message, where=str(path), hint=hint)
    return values


def _weights(content: dict[str, Any], gain: Floats, path: PathLike) -> Floats | None:
    """Return the weights of the devices that a file states."""
    name = next((name for name in WEIGHTS if name in content), None)
    if name is None:
        return None
    values = np.real(np.asarray(content[name])).astype(float).ravel()
    if values.shape != gain.shape[1:] or not np.all(np.isfinite(values) & (values > 0)):
        message = f"'{name}' must hold one positive number for each of {gain.shape[1]} devices"
        raise InputError(message, where=str(path), hint=f"correct '{name}', or remove it")
    return values


def read_matrices(file: Path) -> dict[str, Any]:
    """Return the numeric arrays of a MATLAB file; nothing in it is run."""
    check_is_file(file)
    head = read_raw(file, 128)
    if head.startswith(b"MATLAB 7.3") or head.startswith(b"\x89HDF"):
        return _matlab_73(file)
    from scipy.io import loadmat

    try:
        content = loadmat(str(file), appendmat=False)
    except (Exception, MemoryError) as error:  # scipy raises whatever it meets in a damaged file
        message = f"no readable MATLAB file: {type(error).__name__}: {str(error)[:200]}"
        hint = "save it again in MATLAB: save('gains.mat', 'input_h', '-v7')"
        raise InputError(message, where=str(file), hint=hint) from None
    return {
        name: value
        for name, value in content.items()
        if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.number)
    }


def _matlab_73(file: Path) -> dict[str, Any]:
    """Return the arrays of a MATLAB 7.3 file, which is one of HDF5 and stores columns first."""
    try:
        import h5py  # pyright: ignore[reportMissingImports]
    except ImportError:
        message = "a MATLAB 7.3 file (HDF5) needs the package h5py to be read"
        hint = (
            "pip install 'h5py>=3.12', or save it in MATLAB as version 7: "
            "save('gains.mat', 'input_h', '-v7')"
        )
        raise InputError(message, where=str(file), hint=hint) from None
    try:
        with h5py.File(file, "r") as opened:
            datasets = {
                name: item
                for name, item in opened.items()
                if isinstance(item, h5py.Dataset) and np.issubdtype(item.dtype, np.number)
            }
            for name, item in datasets.items():
                if int(item.size or 0) > MAX_VALUES:
                    message = f"'{name}' holds {item.size} values, more than {MAX_VALUES}"
                    raise InputError(message, where=str(file), hint="save fewer slots")
            return {name: np.asarray(item[()]).T for name, item in datasets.items()}
    except InputError:
        raise
    except Exception as error:  # HDF5 raises whatever it meets in a damaged file
        message = f"no readable MATLAB 7.3 file: {type(error).__name__}: {str(error)[:200]}"
        hint = "save it again in MATLAB: save('gains.mat', 'input_h', '-v7')"
        raise InputError(message, where=str(file), hint=hint) from None
