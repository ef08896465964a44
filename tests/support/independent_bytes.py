"""What all parts of the second decoder read bytes with. It imports nothing of the package."""

from typing import NoReturn


class Invalid(Exception):
    """The bytes are no file of version 1."""


class Cursor:
    """Reads a run of bytes from its start to its end."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def take(self, count: int) -> bytes:
        if len(self.left) < count:
            fail(f"{count} bytes needed, {len(self.left)} left")
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self, most_bytes: int = 5) -> int:
        groups = [self.byte()]
        while groups[-1] & 0x80:
            if len(groups) == most_bytes:
                fail("a varint is too long")
            groups.append(self.byte())
        if len(groups) > 1 and groups[-1] == 0:
            fail("a varint is not canonical")
        return sum((group & 0x7F) << 7 * place for place, group in enumerate(groups))


def fail(why: str) -> NoReturn:
    raise Invalid(why)


def within(value: int, low: int, high: int, what: str) -> int:
    return value if low <= value <= high else fail(f"{what} {value}")
