"""`pyramid.py` in machine code: one pass for the dozen that NumPy takes, twenty times as fast."""

import numpy as np

from inrcodec.compute.arena import Array, Empty
from inrcodec.compute.numba_code import machine_code

_NEAR, _FAR = np.float32(0.75), np.float32(0.25)


def enlarge(coefficients: Array, height: int, width: int, empty: Empty) -> Array:
    """See `pyramid.enlarge`; of arrays of float32."""
    out = empty(*coefficients.shape[:-2], height, width)
    for index in np.ndindex(coefficients.shape[:-2]):
        _enlarge(np.ascontiguousarray(coefficients[index]), out[index])
    return out


def enlarge_back(gradient: Array, empty: Empty) -> Array:
    """See `pyramid.enlarge_back`; of arrays of float32."""
    out = empty(*gradient.shape[:-2], *(-(-side // 2) for side in gradient.shape[-2:]))
    for index in np.ndindex(gradient.shape[:-2]):
        _enlarge_back(np.ascontiguousarray(gradient[index]), out[index])
    return out


@machine_code
def _rows_of(row: int, rows: int) -> tuple[int, int]:
    """The near and the far one of the coarser rows that a row is made of."""
    return row // 2, min(max(row // 2 + (1 if row % 2 else -1), 0), rows - 1)


@machine_code
def _enlarge(coefficients: Array, out: Array) -> None:
    rows, columns = coefficients.shape
    height, width = out.shape
    line = np.empty(columns + 2, np.float32)
    for row in range(height):
        here, beside = _rows_of(row, rows)
        near, far = coefficients[here], coefficients[beside]
        for at in range(columns):
            line[at + 1] = _NEAR * near[at] + _FAR * far[at]
        line[0], line[columns + 1] = line[1], line[columns]
        into = out[row]
        for at in range(width // 2):
            into[2 * at] = _NEAR * line[at + 1] + _FAR * line[at]
            into[2 * at + 1] = _NEAR * line[at + 1] + _FAR * line[at + 2]
        if width % 2:
            into[width - 1] = _NEAR * line[columns] + _FAR * line[columns - 1]


@machine_code
def _enlarge_back(gradient: Array, out: Array) -> None:
    rows, columns = out.shape
    height, width = gradient.shape
    line = np.empty(columns + 2, np.float32)
    out[...] = 0
    for row in range(height):
        one = gradient[row]
        line[...] = 0
        for at in range(width // 2):
            line[at + 1] += _NEAR * (one[2 * at] + one[2 * at + 1])
        for at in range(width // 2):
            line[at] += _FAR * one[2 * at]
        for at in range(width // 2):
            line[at + 2] += _FAR * one[2 * at + 1]
        if width % 2:
            line[columns] += _NEAR * one[width - 1]
            line[columns - 1] += _FAR * one[width - 1]
        line[1] += line[0]
        line[columns] += line[columns + 1]
        here, beside = _rows_of(row, rows)
        near, far = out[here], out[beside]
        for at in range(columns):
            near[at] += _NEAR * line[at + 1]
        for at in range(columns):
            far[at] += _FAR * line[at + 1]
