"""Delta, the step of level 0: a file holds its code c, 0 .. 1023, and it is (64 + c % 64) 2^(c // 64 - 16).

Sixty-four codes an octave, about 1 % apart, from 2^-10 to 63.5.
"""

import numpy as np

DELTA_CODES = 1024
USUAL_CODE = 550
"""The code of 0.398, the usual step."""


def delta_of(code: int) -> float:
    """The step of a code 0 .. 1023."""
    return (64 + code % 64) * 2.0 ** (code // 64 - 16)


def delta_code(delta: float) -> int:
    """The code whose step is nearest in ratio. The inverse of `delta_of`."""
    steps = np.array([delta_of(code) for code in range(DELTA_CODES)])
    return int(np.argmin(np.abs(np.log(steps / delta))))
