"""Hostile containers: valid files whose bytes, fields and sections are changed, their length and CRC made right again.

A fuzzer that leaves the CRC alone tests the CRC only, so all but a few inputs are sealed.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from inrcodec import families
from inrcodec.decoding import decoder
from inrcodec.format import container
from inrcodec.format.entropy import varint
from tests.support.helpers import reseal, seal, section
from tools.attack.fuzz_bytes import below, edge, noise
from tools.attack.fuzz_grid import LIMITS

_READ, _DRAWN = 0.25, 0.03
"""Fractions of accepted inputs whose weights are read, and that are drawn."""
_MOST_MACS = 2**26
"""Multiplications that a drawing may take here."""

Groups = list[list[bytes]]
"""The picture's fields; then of each section its id and the fields of its payload."""


class BrokenLaw(Exception):
    """An input was accepted that breaks a law of the format."""


@dataclass(frozen=True)
class Seed:
    """A valid file, whole and in pieces."""

    data: bytes
    flags: int
    body: bytes
    groups: tuple[tuple[bytes, ...], ...]


def seed(data: bytes) -> Seed:
    """A valid file, taken apart."""
    whole = container.parse(data, families.FAMILIES)
    picture = (varint(whole.height), varint(whole.width), bytes([whole.pixel]))
    tensors = 7 if whole.pixel < 2 else 10
    sections = tuple((bytes([key]), *fields(key, payload, tensors)) for key, payload in whole.sections)
    return Seed(data, whole.flags, data[6 + len(varint(len(data))) : -4], (picture, *sections))


def fields(section_id: int, payload: bytes, tensors: int = 0) -> list[bytes]:
    """The payload of a section in pieces: depth, each layer's neurons, q_step codes, coder, symbols.

    Of a grid prior, delta, steps of its tensors, stream.
    """
    if section_id == 2:
        start = 2 + (payload[1] >= 0x80)
        return [payload[:1], payload[1:start], payload[start : start + tensors], payload[start + tensors :]]
    if section_id != 1:
        return [payload]
    ends, codes = [1], 2 * (payload[0] + 1)
    while len(ends) <= payload[0]:
        ends.append(ends[-1] + 1 + (payload[ends[-1]] >= 0x80))
    ends += [ends[-1] + codes, ends[-1] + codes + 1, len(payload)]
    return [payload[start:stop] for start, stop in zip([0, *ends], ends, strict=False)]


def mutate(rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """A changed file."""
    one, other = seeds[below(rng, len(seeds))], seeds[below(rng, len(seeds))]
    how = rng.random()
    if how < 0.02:
        return noise(rng, one.data, other.data)
    if how < 0.06:
        return reseal(noise(rng, one.data, other.data) + bytes(4))
    if how < 0.07:
        return at_a_border(rng, one)
    flags = one.flags if how < 0.98 else below(rng, 256)
    if how < 0.25:
        return seal(noise(rng, one.body, other.body), flags=flags)
    return seal(assembled(rng, restructured(rng, one, other)), flags=flags)


def at_a_border(rng: random.Random, one: Seed) -> bytes:
    """A file of 127 to 129 bytes, total_length in two of them: too many, one more than it needs, and right."""
    length = 127 + below(rng, 3)
    padding = length - 12 - len(one.body) - 2
    if padding < 0:
        return one.data
    start = container.MAGIC + bytes([container.VERSION, one.flags, length & 0x7F | 0x80, length >> 7])
    return reseal(start + one.body + section(0xFF, bytes(padding)) + bytes(4))


def restructured(rng: random.Random, one: Seed, other: Seed) -> Groups:
    """The pieces of a file after one to three changes."""
    groups = [list(group) for group in one.groups]
    for _ in range(1 + below(rng, 3)):
        group = groups[below(rng, len(groups))] if groups else []
        if rng.random() < 0.2 or not group:
            change_sections(rng, groups, other)
        else:
            change_field(rng, group, other)
    return groups


def change_field(rng: random.Random, group: list[bytes], other: Seed) -> None:
    """One field replaced, damaged, dropped or written twice."""
    at, how = below(rng, len(group)), below(rng, 6)
    lender = other.groups[below(rng, len(other.groups))]
    if how < 2:
        group[at] = edge(rng)
    elif how == 2:
        group[at] = noise(rng, group[at], other.body)
    elif how == 3:
        group[at] = lender[below(rng, len(lender))]
    elif how == 4:
        group[at] *= 2
    else:
        del group[at]


def change_sections(rng: random.Random, groups: Groups, other: Seed) -> None:
    """One section dropped, added, moved, doubled or given another id."""
    at, how = below(rng, len(groups) + 1), below(rng, 5)
    if how == 0:
        del groups[at : at + 1]
    elif how == 1:
        groups.insert(at, list(other.groups[below(rng, len(other.groups))]))
    elif how == 2:
        groups.append([bytes([below(rng, 256)]), rng.randbytes(below(rng, 8))])
    elif how == 3:
        groups[at : at + 2] = groups[at : at + 2][::-1]
    else:
        groups.extend([bytes([0x80 + below(rng, 128)])] for _ in range(below(rng, 70)))
    if rng.random() < 0.7:
        groups[1:] = sorted(groups[1:], key=lambda group: group[:1])


def assembled(rng: random.Random, groups: Groups) -> bytes:
    """The bytes between total_length and CRC; at times a section's length is wrong."""
    wrong = below(rng, len(groups)) if groups and rng.random() < 0.1 else 0
    parts = groups[0][:] if groups else []
    for i, (key, *payload) in enumerate(filter(None, groups[1:]), 1):
        joined = b"".join(payload)
        length = varint(len(joined)) if i != wrong else (edge(rng), varint(len(joined) + 1))[below(rng, 2)]
        parts += key, length, joined
    return b"".join(parts)


def check(data: bytes, rng: random.Random) -> None:
    """Read the container and the header; of a few also the weights, and the picture."""
    if container.serialise(container.parse(data, families.FAMILIES)) != data:
        raise BrokenLaw("serialise(parse(data)) is not data")
    header = families.read_header(data)
    if rng.random() > _READ:
        return
    families.read(data, LIMITS)
    points = 8 * 8 * min(256, -(-header.height // 8) * -(-header.width // 8))
    if rng.random() < _DRAWN / _READ and points * header.arch.param_count() < _MOST_MACS:
        decoder.decode(data, (8, 8), limits=LIMITS)
