"""What the golden grids show, as `golden_cases.py` has them: (name, shows, data), and of bad ones (.., error, says).

All are made by `grid_generator.py`; their symbols follow from integers alone, as NumPy may change its generators.
"""

from collections.abc import Callable, Iterator

from tests.support import independent_ans
from tests.support.grid_generator import in_turn, payload, tensor_sizes
from tests.support.helpers import header, seal, section

Shape = tuple[int, int, int]
SHAPE = 13, 7, 3
DELTA_CODE = 400


def spread(most: int, count: int, start: int = 0) -> list[int]:
    """Numbers from -most to most, most of them small, from integers alone."""
    found = []
    for i in range(start, start + count):
        u = (i * 2654435761 + 12345) % 2**32 % 1009 - 504
        found.append(round(most * (u / 504) ** 5))
    return found


def latents(most: int) -> Callable[[int], list[int]]:
    """Such numbers, on and on."""
    at = 0

    def following(count: int) -> list[int]:
        nonlocal at
        at += count
        return spread(most, count, at)

    return following


def grid(shape: Shape = SHAPE, change: int = 40, most: int = 3, delta_code: int = DELTA_CODE, scale: int = 10) -> bytes:
    """A section."""
    sizes = tensor_sizes(*shape)
    numbers = in_turn(spread(change, sum(sizes)), latents(most))
    return payload(shape, delta_code, [0] * len(sizes), [scale] * len(sizes), numbers)


def file(section_payload: bytes, shape: Shape = SHAPE, flags: int = 0) -> bytes:
    height, width, channels = shape
    return seal(header(height, width, channels - 1) + section(2, section_payload), flags=flags)


def valid() -> Iterator[tuple[str, str, bytes]]:
    for channels, name in enumerate(("grey", "grey_alpha", "rgb", "rgba"), 1):
        shape = 13, 7, channels
        yield f"grid_{name}", f"a grid, pixel {channels - 1}", file(grid(shape), shape)
    for height, width in ((1, 1), (1, 17), (17, 1), (24, 24), (25, 3), (40, 49)):
        shape = height, width, 3
        yield f"grid_size_{width}x{height}", "its size", file(grid(shape, change=5, scale=4), shape)
    yield "grid_zero", "no latents, and the prior alone", file(grid(change=0, most=0, scale=0))
    yield "grid_f32_safe", "flag F32_SAFE", file(grid(change=5, most=1), flags=1)
    for code in (0, 63, 64, 358, 614, 1023):
        yield f"grid_delta_{code}", f"delta code {code}", file(grid(change=3, delta_code=code, scale=3))
    for scale in (0, 7, 15):
        yield f"grid_scale_{scale}", f"laws of the tensors with n {scale}", file(grid(scale=scale))
    for largest in (300, 32767):
        yield f"grid_latents_{largest}", "latents of all sizes, escapes", file(grid(most=largest, delta_code=100))
    shape, sizes = (5, 4, 3), tensor_sizes(5, 4, 3)
    ones = in_turn(spread(1, sum(sizes)), latents(2))
    yield "grid_shift_15", "shifts of 15", file(payload(shape, 400, [15] * len(sizes), [1] * len(sizes), ones), shape)
    sixteen = in_turn([16] * sizes[0] + [0] * sum(sizes[1:]), latents(1))
    shifts = [12] + [0] * (len(sizes) - 1)
    gains = payload(shape, 200, shifts, [3] * len(sizes), sixteen)
    yield "grid_gains", "gains of 16, the most there may be", file(gains, shape)


def bad() -> Iterator[tuple[str, str, bytes, str, str]]:
    plain, count = grid(), len(tensor_sizes(*SHAPE))
    stream = 3 + count
    for number in (0, 1, 255):
        data = file(bytes([number]) + plain[1:])
        yield f"grid_prior_{number}", "another prior", data, "UnsupportedError", f"prior: {number} is unknown"
    for name, made, says in (
        ("empty", b"", "prior: 0 bytes left"),
        ("no_delta", plain[:1], "delta: 0 bytes left"),
        ("delta_1024", plain[:1] + b"\x80\x08" + plain[3:], "delta: 1024 is not in 0 .. 1023"),
        ("delta_overlong", plain[:1] + b"\x81\x00" + plain[3:], "delta: not a canonical varint"),
        ("steps_cut", plain[: stream - 1], f"tensor steps: {count - 1} bytes left, {count} needed"),
        ("zero_tail", plain + b"\0", "the stream ends in a zero"),
        ("too_long", plain[:stream] + b"\1\0\0\0" + plain[stream:], "damaged, or of another length"),
        ("weight", plain[:3] + bytes([0xF8] * count) + beyond(32767, 32), "weights: a number is beyond 65536"),
        ("symbol", plain[:3] + bytes(count) + beyond(32768, 0), "latents: a symbol is beyond 32767"),
        ("escape", plain[:3] + bytes([8] * count) + too_long_an_escape(), "latents: an escape is too long"),
    ):
        yield f"grid_{name}", "an illegal section", file(made), "CorruptError", says
    data = file(plain[:stream], (1 << 14, 1 << 15, 3))
    yield "grid_over_limit", "legal, and over a limit", data, "LimitError", "max_latents"


def beyond(symbol: int, scale: int) -> bytes:
    """A stream of the tensors alone, whose first symbol is this one, under laws of one scale index."""
    count = sum(tensor_sizes(*SHAPE))
    writer = independent_ans.Writer(lambda _: [symbol] + [0] * (count - 1))
    writer.take([scale] * count, [0] * count)
    return writer.finish()


def too_long_an_escape() -> bytes:
    """A stream of the tensors, scale index 32, whose first symbol escapes, with k = 1 and j = 16."""
    return independent_ans.escape_of(16, 32, sum(tensor_sizes(*SHAPE)))
