"""The bands of a search in machine code: what `rate.Coded` and `distortion.Distortion` do there, by Numba.

A band's points are worked through in chunks that stay in the fastest cache: inputs are gathered, a network goes
forward, its loss and derivatives follow at once, and what belongs to the planes is added to them. That is one pass over
memory where NumPy takes dozens, and no word with Python's interpreter, so that bands go to threads as they are.

Sums are reordered, so results differ from NumPy's in their last bits. What calls one another is in one module: Numba
looks at the file of what is called alone to see whether the code that it has kept is out of date.
"""

import math
from typing import Any

import numpy as np

from inrcodec.compute.numba_code import machine_code
from inrcodec.families.grid.arch import AROUND, FINE
from inrcodec.families.grid.block import LEAK
from inrcodec.families.grid.laplace import LEAST_MASS, LOG_SCALES, MOST_BITS, MOST_NATS
from inrcodec.families.grid.views import MARGIN

Array = Any
"""A C-contiguous array of float32, unless said."""
Number = Any
"""A float32."""
_CHUNK = 256
"""Points of a chunk, at most."""
_f = np.float32
_LEAK, _LOWEST, _HIGHEST = _f(LEAK), _f(LOG_SCALES[0]), _f(LOG_SCALES[1])
_LEAST, _MOST_BITS, _MOST_NATS = _f(LEAST_MASS), _f(MOST_BITS), _f(MOST_NATS)
_BITS, _LN2 = _f(1 / math.log(2)), _f(math.log(2))
_S1, _S2, _S3, _S4, _S5 = (_f((-1) ** n / math.factorial(2 * n + 1)) for n in range(1, 6))
_C1, _C2, _C3, _C4, _C5, _C6 = (_f((-1) ** n / math.factorial(2 * n)) for n in range(1, 7))
_E2, _E3, _E4, _E5, _E6, _E7 = (_f(1 / math.factorial(n)) for n in range(2, 8))
_L1, _L2, _L3, _L4 = (_f(2 / (2 * n + 1)) for n in range(1, 5))
_PI_HIGH, _PI_LOW, _BY_PI, _QUARTER = _f(3.140625), _f(math.pi - 3.140625), _f(1 / math.pi), _f(1.5708)
_LN2_HIGH, _LN2_LOW = _f(0.693359375), _f(math.log(2) - 0.693359375)
_0, _HALF, _1, _2 = _f(0), _f(0.5), _f(1), _f(2)
_DY, _DX = (np.array(each) for each in zip(*AROUND, strict=True))


@machine_code
def _add(values: Array, scale: Number, into: Array, count: int) -> None:
    for at in range(count):
        into[at] += scale * values[at]


@machine_code
def _times(weights: Array, points: Array, out: Array, count: int, has_bias: bool) -> None:
    """weights (rows, columns) points (columns, ..), into `out`, which has room for an even number of rows; the bias, if
    there is one, is the last column."""
    rows, columns = weights.shape[0], weights.shape[1] - has_bias
    for row in range(0, rows, 2):
        one, other = out[row], out[row + 1]
        of_one, of_other = weights[row], weights[min(row + 1, rows - 1)]
        one[:count] = of_one[columns] if has_bias else _0
        other[:count] = of_other[columns] if has_bias else _0
        column = 0
        while column + 4 <= columns:
            a0, a1, a2, a3 = of_one[column], of_one[column + 1], of_one[column + 2], of_one[column + 3]
            b0, b1, b2, b3 = of_other[column], of_other[column + 1], of_other[column + 2], of_other[column + 3]
            p0, p1, p2, p3 = points[column], points[column + 1], points[column + 2], points[column + 3]
            for at in range(count):
                x0, x1, x2, x3 = p0[at], p1[at], p2[at], p3[at]
                one[at] += (a0 * x0 + a1 * x1) + (a2 * x2 + a3 * x3)
                other[at] += (b0 * x0 + b1 * x1) + (b2 * x2 + b3 * x3)
            column += 4
        while column < columns:
            a0, b0, p0 = of_one[column], of_other[column], points[column]
            for at in range(count):
                one[at] += a0 * p0[at]
                other[at] += b0 * p0[at]
            column += 1


@machine_code
def _add_two(into: Array, row: int, after: int, column: int, one: Number, other: Number) -> None:
    """Adds to a column of two rows, or of one."""
    into[row, column] += one
    if after > row:
        into[after, column] += other


@machine_code
def _over_points(delta: Array, points: Array, into: Array, count: int) -> None:
    """Adds to `into` (rows, columns + 1) of float64 the derivative of `_times` by its matrix, the bias's last."""
    rows, columns = into.shape[0], into.shape[1] - 1
    for row in range(0, rows, 2):
        after = min(row + 1, rows - 1)
        one, other = delta[row], delta[after]
        column = 0
        while column + 4 <= columns:
            p0, p1, p2, p3 = points[column], points[column + 1], points[column + 2], points[column + 3]
            a0, a1, a2, a3, b0, b1, b2, b3 = _0, _0, _0, _0, _0, _0, _0, _0
            for at in range(count):
                a, b, x0, x1, x2, x3 = one[at], other[at], p0[at], p1[at], p2[at], p3[at]
                a0 += a * x0
                a1 += a * x1
                a2 += a * x2
                a3 += a * x3
                b0 += b * x0
                b1 += b * x1
                b2 += b * x2
                b3 += b * x3
            _add_two(into, row, after, column, a0, b0)
            _add_two(into, row, after, column + 1, a1, b1)
            _add_two(into, row, after, column + 2, a2, b2)
            _add_two(into, row, after, column + 3, a3, b3)
            column += 4
        while column < columns:
            p0, a0, b0 = points[column], _0, _0
            for at in range(count):
                a0 += one[at] * p0[at]
                b0 += other[at] * p0[at]
            _add_two(into, row, after, column, a0, b0)
            column += 1
        a0, b0 = _0, _0
        for at in range(count):
            a0 += one[at]
            b0 += other[at]
        _add_two(into, row, after, columns, a0, b0)


@machine_code
def _sine(values: Array, slopes: Array, count: int) -> None:
    """Sines in place, and their derivatives."""
    for row in range(len(values)):
        value, slope = values[row], slopes[row]
        for at in range(count):
            turns = np.floor(value[at] * _BY_PI + _HALF)
            x = (value[at] - turns * _PI_HIGH) - turns * _PI_LOW
            x = min(max(x, -_QUARTER), _QUARTER)  # of numbers so large that float32 has no angle left of them
            sign, q = _1 - _2 * (turns - _2 * np.floor(turns * _HALF)), x * x
            value[at] = sign * (x + x * q * (_S1 + q * (_S2 + q * (_S3 + q * (_S4 + q * _S5)))))
            slope[at] = sign * (_1 + q * (_C1 + q * (_C2 + q * (_C3 + q * (_C4 + q * (_C5 + q * _C6))))))


@machine_code
def _leaky(values: Array, slopes: Array, count: int) -> None:
    """The activation of context networks in place, and its derivatives."""
    for row in range(len(values)):
        value, slope = values[row], slopes[row]
        for at in range(count):
            slope[at] = _1 if value[at] > 0 else _LEAK
            value[at] *= slope[at]


@machine_code
def _exp(x: Array, power: Array, count: int) -> None:
    """exp in place, of numbers from -87 to 87; `power` is room for int32."""
    raised = power.view(np.float32)
    for at in range(count):
        octaves = np.floor(x[at] * _BITS + _HALF)
        rest = (x[at] - octaves * _LN2_HIGH) - octaves * _LN2_LOW
        power[at] = (np.int32(octaves) + np.int32(127)) << 23
        series = _E3 + rest * (_E4 + rest * (_E5 + rest * (_E6 + rest * _E7)))
        x[at] = _1 + rest * (_1 + rest * (_E2 + rest * series))
    for at in range(count):
        x[at] *= raised[at]


@machine_code
def _log(x: Array, power: Array, count: int) -> None:
    """The natural logarithm in place, of positive numbers; `power` is room for int32."""
    mantissa = power.view(np.float32)
    for at in range(count):
        mantissa[at] = x[at]
    for at in range(count):
        octave = (power[at] - 0x3F3504F3) >> 23  # the mantissa from the root of a half to the root of two
        x[at] = np.float32(octave)
        power[at] -= octave << 23
    for at in range(count):
        s = (mantissa[at] - _1) / (mantissa[at] + _1)
        q = s * s
        x[at] = x[at] * _LN2 + s * (_2 + q * (_L1 + q * (_L2 + q * (_L3 + q * _L4))))


@machine_code
def _room(inputs: int, width: int, outputs: int) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Arrays of a chunk, one after another: [layer 2, inputs], layer 1, slopes of both, outputs, [d / d layer 1,
    d / d outputs, d / d layer 2], d / d inputs."""
    return (
        np.empty((width + inputs, _CHUNK), np.float32),
        np.empty((width, _CHUNK), np.float32),
        np.empty((2 * width, _CHUNK), np.float32),
        np.empty((outputs + 1, _CHUNK), np.float32),
        np.empty((2 * width + outputs, _CHUNK), np.float32),
        np.empty((inputs + 1, _CHUNK), np.float32),
    )


@machine_code
def _forward(room: Any, weights: Any, is_sine: bool, count: int) -> None:
    """From the inputs to the outputs of a chunk: `block.Block.forward`."""
    first, second, last = weights[:3]
    ends, hidden, slopes, out = room[:4]
    width = len(hidden)
    below = ends[:width]
    _times(first, ends[width:], hidden, count, True)
    if is_sine:
        _sine(hidden, slopes[:width], count)
        _times(second, hidden, below, count, True)
        _sine(below, slopes[width:], count)
    else:
        _leaky(hidden, slopes[:width], count)
        _times(second, hidden, below, count, True)
        _leaky(below, slopes[width:], count)
        for row in range(width):
            _add(hidden[row], _1, below[row], count)
    _times(last, ends, out, count, True)


@machine_code
def _backward(room: Any, weights: Any, grads: Any, is_sine: bool, count: int) -> None:
    """From d / d outputs of a chunk to that by its inputs, and by the matrices, which adds to `grads`:
    `block.Block.backward`."""
    of_hidden, inner, lower = weights[3:]
    by_first, by_second, by_last = grads
    ends, hidden, slopes, _, deltas, by_inputs = room
    width, outputs = len(hidden), len(by_last)
    delta, above = deltas[width : width + outputs], deltas[width + outputs :]
    _times(of_hidden, delta, above, count, False)
    for row in range(width):
        one, slope = above[row], slopes[width + row]
        for at in range(count):
            one[at] *= slope[at]
    _times(inner, above if is_sine else deltas[width:], deltas, count, False)
    for row in range(width):
        one, slope = deltas[row], slopes[row]
        for at in range(count):
            one[at] *= slope[at]
    _times(lower, deltas, by_inputs, count, False)
    _over_points(deltas, ends[width:], by_first, count)
    _over_points(above, hidden, by_second, count)
    _over_points(delta, ends, by_last, count)


@machine_code
def _losses(q: Array, out: Array, delta: Array, power: Array, bits: Array, count: int) -> None:
    """Bits of latents (components, count), which add to `bits`, and their derivatives by their means and the logarithms
    of their scales, which `out` holds, and loses: `laplace.bits`."""
    log_scale, u, v, nats, mass = np.empty((5, _CHUNK), np.float32)
    components = len(q)
    for component in range(components):
        latent, given, rate = q[component], out[component], out[components + component]
        for at in range(count):
            log_scale[at] = rate[at]
            rate[at] = -min(max(rate[at], _LOWEST), _HIGHEST)
        _exp(rate, power, count)
        for at in range(count):
            d = abs(latent[at] - given[at])
            u[at] = max(-rate[at] * abs(d - _HALF), -_MOST_NATS)
            v[at] = max(-rate[at] * (d + _HALF), -_MOST_NATS)
        _exp(u, power, count)
        _exp(v, power, count)
        for at in range(count):
            d = abs(latent[at] - given[at])
            inside = _1 - _HALF * (u[at] + v[at])
            nats[at] = max(inside if d < _HALF else _HALF * (u[at] - v[at]), _LEAST)
            mass[at] = nats[at]
        _log(nats, power, count)
        by_mean, by_scale = delta[component], delta[components + component]
        for at in range(count):
            apart = latent[at] - given[at]
            d, steep, spent = abs(apart), _HALF * rate[at] / mass[at], -nats[at]
            ceiling = (_MOST_BITS + _HALF * d) / _BITS
            is_over = spent > min(ceiling, _MOST_NATS)
            by_d = _HALF if is_over else _BITS * steep * (u[at] - v[at])
            by_s = _BITS * steep * ((d + _HALF) * v[at] - (d - _HALF) * u[at])
            leads_away = (log_scale[at] < _LOWEST and by_s > 0) or (log_scale[at] > _HIGHEST and by_s < 0)
            bits[at] += _BITS * (ceiling if is_over else spent)
            by_mean[at] = -by_d if apart > 0 else by_d
            by_scale[at] = _0 if is_over or leads_away else by_s


@machine_code
def _gather(planes: Any, places: Array, depth: Number, row: int, column: int, into: Array, count: int) -> None:
    """What a context network sees of a chunk, from a row and column of the padded planes on."""
    for number in range(len(places)):
        view, dy, dx = places[number]
        into[number, :count] = planes[view][row + dy, column + dx : column + dx + count]
    into[len(places), :count] = depth


@machine_code
def contexts(seen: Any, weights: Any, start: int, stop: int, bits: Array, slopes: Any, has_slopes: bool) -> None:
    """The rows of a band. `seen` is the latents (components, h, w), the padded planes, the places that are seen, and
    what stands for the level. Adds to `bits` (rows, w).

    With `has_slopes`, `slopes` are where derivatives go: by the latents, written into an array like them; by the
    planes, added to the rows that the band sees, after how many of them the band's first; and by the matrices, added to
    float64.
    """
    q, planes, places, depth = seen
    by_q, halos, above, grads = slopes
    components, _, width = q.shape
    layer = len(weights[0])
    room = _room(len(places) + 1, layer, 2 * components)
    power, chunk = np.empty(_CHUNK, np.int32), np.empty((components, _CHUNK), np.float32)
    delta, by_inputs = room[4][layer:], room[5]
    for row in range(start, stop):
        for column in range(0, width, _CHUNK):
            count = min(_CHUNK, width - column)
            _gather(planes, places, depth, MARGIN + row, MARGIN + column, room[0][layer:], count)
            _forward(room, weights, False, count)
            chunk[:, :count] = q[:, row, column : column + count]
            _losses(chunk, room[3], delta, power, bits[row - start, column:], count)
            if has_slopes:
                for component in range(components):
                    by_q[component, row, column : column + count] = -delta[component, :count]
                _backward(room, weights, grads, False, count)
                for number in range(len(places)):
                    view, dy, dx = places[number]
                    halo = halos[view][above[view] + row - start + dy, MARGIN + column + dx :]
                    _add(by_inputs[number], _1, halo, count)


@machine_code
def _features(padded: Array, scales: Array, row: int, column: int, into: Array, count: int) -> None:
    """What the synthesis sees of a chunk, from a row and column of the padded planes on: `distortion.fill_features`."""
    for plane in range(len(padded)):
        one, seen, scale = into[plane], padded[plane, row, column:], scales[plane]
        for at in range(count):
            one[at] = scale * seen[at]
    for plane in range(FINE):
        for number in range(len(_DY)):
            one = into[len(padded) + plane * len(_DY) + number]
            seen, scale = padded[plane, row + _DY[number], column + _DX[number] :], scales[plane]
            for at in range(count):
                one[at] = scale * seen[at]


@machine_code
def _errors(out: Array, target: Array, row: int, column: int, delta: Array, squares: Array, count: int) -> None:
    """Adds the squared errors of a chunk to `squares`, and writes their derivatives by the outputs."""
    for component in range(len(target)):
        given, wanted, slope = out[component], target[component, row, column:], delta[component]
        for at in range(count):
            error = given[at] - wanted[at]
            squares[at] += error * error
            slope[at] = _2 * error


@machine_code
def synthesis(seen: Any, weights: Any, start: int, stop: int, squares: Array, slopes: Any, has_slopes: bool) -> None:
    """The rows of a band. `seen` is the target (components, H, W), the padded planes and their scales. Adds the squared
    errors to `squares` (rows, W).

    With `has_slopes`, `slopes` are where derivatives go: by the planes, added to an array as padded; by the fine
    ones, to (FINE, rows + 2, W + 2); and by the matrices, to float64.
    """
    target, padded, scales = seen
    into, halo, grads = slopes
    width, layer, count_of_planes = target.shape[2], len(weights[0]), len(padded)
    room = _room(weights[0].shape[1] - 1, layer, len(target))
    delta, by_inputs = room[4][layer:], room[5]
    for row in range(start, stop):
        for column in range(0, width, _CHUNK):
            count = min(_CHUNK, width - column)
            _features(padded, scales, row + 1, column + 1, room[0][layer:], count)
            _forward(room, weights, True, count)
            _errors(room[3], target, row, column, delta, squares[row - start, column:], count)
            if has_slopes:
                _backward(room, weights, grads, True, count)
                for plane in range(FINE, count_of_planes):
                    _add(by_inputs[plane], scales[plane], into[plane, row + 1, column + 1 :], count)
                for plane in range(FINE):
                    _add(by_inputs[plane], scales[plane], halo[plane, row - start + 1, column + 1 :], count)
                    for number in range(len(_DY)):
                        one = by_inputs[count_of_planes + plane * len(_DY) + number]
                        beside = halo[plane, row - start + 1 + _DY[number], column + 1 + _DX[number] :]
                        _add(one, scales[plane], beside, count)


@machine_code
def _soft_round(x: Array, temperature: Number, out: Array, slope: Array, power: Array, count: int) -> None:
    """Soft rounding of x, and its derivative: `anneal.soft_round`."""
    scale = _HALF / np.tanh(_HALF / temperature)
    for at in range(count):
        out[at] = _2 / temperature * (x[at] - np.floor(x[at]) - _HALF)
    _exp(out, power, count)
    for at in range(count):
        bent = _1 - _2 / (out[at] + _1)
        out[at] = np.floor(x[at]) + _HALF + scale * bent
        slope[at] = scale / temperature * (_1 - bent * bent)


@machine_code
def seen(q: Array, draws: Array, temperature: Number, deviation: Number, out: Array, slope: Array) -> None:
    """What latents q are seen as, and the derivative of that, for normal numbers that were drawn: `anneal.seen`."""
    power, once, second = np.empty(_CHUNK, np.int32), np.empty(_CHUNK, _f), np.empty(_CHUNK, _f)
    for start in range(0, len(q), _CHUNK):
        count = min(_CHUNK, len(q) - start)
        own, of_own = slope[start:], draws[start:]
        _soft_round(q[start:], temperature, once, own, power, count)
        for at in range(count):
            once[at] += deviation * of_own[at]
        _soft_round(once, temperature, out[start:], second, power, count)
        for at in range(count):
            own[at] *= second[at]
