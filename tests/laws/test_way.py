"""The way of a picture through the house is short, and goes down."""

from tools.measure import way


def test_encode_is_at_most_twelve_modules_deep_and_decode_eight_and_few_calls_climb() -> None:
    for name, found in way.chains().items():
        assert max(map(len, found)) <= (12 if name == "encode" else 8), name
        assert max(map(way.climbs, found)) <= 2, name
