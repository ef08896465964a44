"""Laws of the latents' laws: an order in which all that a law takes is known, and numbers that no machine rounds."""

import itertools
from decimal import Context, Decimal, localcontext

import numpy as np
import pytest
from numpy.typing import NDArray

from inrcodec.compute.arena import Arena
from inrcodec.families.contract import Shape
from inrcodec.families.grid import context, tensors
from inrcodec.families.grid.arch import CHROMA_CAUSAL, LUMA_CAUSAL, GridArch
from inrcodec.families.grid.rate import Rate
from inrcodec.families.grid.stored import GridNetwork
from inrcodec.format import ans
from inrcodec.format.entropy import MAX_SYMBOL
from tests.support.grids import SIZES, Doubles, grid_network

Ints = NDArray[np.int32]
Call = tuple[Ints, Ints, Ints]
"""Symbols, scale indices, means."""

GRIDS = [(1, 1), (1, 8), (8, 1), (2, 2), (7, 13), (13, 7), (16, 16)]
sizes = pytest.mark.parametrize(("height", "width"), SIZES)
every_channels = pytest.mark.parametrize("channels", [1, 2, 3, 4])


def weights_of(network: GridNetwork) -> dict[str, list[NDArray[np.float64]]]:
    """The context networks, whole numbers."""
    whole = network.whole_tensors
    return {
        name: [whole[f"{name}.{layer}"].astype(np.float64) for layer in ("first", "second", "last")]
        for name in network.arch.networks
        if name != "synthesis"
    }


def calls_of(network: GridNetwork) -> list[Call]:
    """What its latents are coded as."""
    return told(network, context.in_order(network.arch, network.latents))


def told(network: GridNetwork, symbols: Ints) -> list[Call]:
    """The calls of any symbols by its networks."""
    calls: list[Call] = []
    latents = context.placed(network.arch, symbols)
    context.tell(network.arch, weights_of(network), latents, lambda *call: calls.append(call))
    return calls


@pytest.mark.parametrize(("height", "width"), GRIDS)
def test_waves_hold_each_cell_once_and_after_all_that_its_law_takes(height: int, width: int) -> None:
    when = np.full((height, width), -1)
    for number, (rows, columns) in enumerate(context.waves(height, width)):
        assert len(rows)
        assert (np.diff(rows) > 0).all()
        assert (when[rows, columns] == -1).all()
        when[rows, columns] = number
    assert (when >= 0).all()
    for (y, x), (dy, dx) in itertools.product(np.ndindex(height, width), {*LUMA_CAUSAL, *CHROMA_CAUSAL}):
        if 0 <= y + dy < height and 0 <= x + dx < width:
            assert when[y + dy, x + dx] < when[y, x]


@sizes
@every_channels
def test_latents_are_coded_each_once_in_one_order(height: int, width: int, channels: int) -> None:
    network = grid_network(height, width, channels)
    calls = calls_of(network)
    symbols = np.concatenate([call[0] for call in calls])
    assert np.array_equal(symbols, context.in_order(network.arch, network.latents))
    assert len(symbols) == network.arch.latent_count()
    assert all(len(call[0]) == len(call[1]) == len(call[2]) > 0 for call in calls)


@sizes
@every_channels
@pytest.mark.parametrize("at_once", [1, 20, 4096])
def test_an_encoder_tells_the_calls_that_a_decoder_makes(
    height: int, width: int, channels: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "AT_ONCE", at_once)
    network = grid_network(height, width, channels, change=80)
    calls, made = calls_of(network), []

    def exchange(scales: Ints, means: Ints) -> Ints:
        made.append((scales, means))
        return calls[len(made) - 1][0]

    found = context.code(network.arch, weights_of(network), exchange)
    assert all(map(np.array_equal, found, network.latents))
    assert len(made) == len(calls)
    for call, own in zip(calls, made, strict=True):
        assert all(map(np.array_equal, call[1:], own))


@sizes
@every_channels
def test_latents_are_placed_as_they_were_in_order(height: int, width: int, channels: int) -> None:
    network = grid_network(height, width, channels)
    placed = context.placed(network.arch, context.in_order(network.arch, network.latents))
    assert all(map(np.array_equal, placed, network.latents))


@every_channels
def test_no_law_depends_on_what_comes_with_or_after_its_call(channels: int) -> None:
    network, rng = grid_network(13, 7, channels, change=80), np.random.default_rng(0)
    calls = calls_of(network)
    flat = np.concatenate([call[0] for call in calls])
    ends = np.cumsum([len(call[0]) for call in calls])
    for at in rng.choice(len(flat), 25, replace=False):
        changed = flat.copy()
        changed[at] += 200
        seen = told(network, changed)
        before = np.searchsorted(ends, at, "right") + 1
        for one, other in zip(calls[:before], seen[:before], strict=True):
            assert np.array_equal(one[1], other[1])
            assert np.array_equal(one[2], other[2])


@every_channels
def test_laws_depend_on_latents_before_and_on_those_of_the_coarser_level(channels: int) -> None:
    network = grid_network(64, 48, channels, change=80)
    plain = calls_of(network)
    for level in range(network.arch.levels):
        latents = [each.copy() for each in network.latents]
        latents[level] += 3
        others = calls_of(GridNetwork(*[*vars(network).values()][:6], tuple(latents)))  # type: ignore[arg-type]
        assert sum(not np.array_equal(one[2], other[2]) for one, other in zip(plain, others, strict=True)) > 10


@every_channels
@pytest.mark.parametrize("wider", [1.0, 2.0, 4.0])
def test_the_rate_of_a_search_is_about_that_of_the_file(channels: int, wider: float) -> None:
    """Where latents follow their laws, as escapes are charged by a rule of thumb."""
    network, rng, exact = grid_network(64, 48, channels), np.random.default_rng(0), 0.0
    weights = weights_of(network)
    for *_, last in weights.values():
        last[len(last) // 2 :, -1] += wider * tensors.UNIT

    def drawn(scales: Ints, means: Ints) -> Ints:
        nonlocal exact
        symbols = (
            np.rint(means / 16 + rng.laplace(0, ans.SCALES[scales])).clip(-MAX_SYMBOL, MAX_SYMBOL).astype(np.int32)
        )
        exact += float(ans.bits(symbols, scales, means).sum())
        return symbols

    latents = context.code(network.arch, weights, drawn)
    matrices = {name: [layer / tensors.UNIT for layer in layers] for name, layers in weights.items()}

    arrays = Doubles()
    about = Rate(network.arch, arrays, Arena(arrays.empty)).value([q.astype(np.float64) for q in latents], matrices)
    assert exact > 1000
    assert about == pytest.approx(exact, rel=0.01)


def test_no_libm_can_change_what_stands_for_a_latent() -> None:
    """None of the numbers that are rounded is near where it would round to another."""
    with localcontext(Context(prec=30)):
        for q in (*range(1, 400), *range(400, MAX_SYMBOL + 1, 97), MAX_SYMBOL):
            exact = 64 * (Decimal(q) + (Decimal(q) ** 2 + 1).sqrt()).ln() + Decimal("0.5")
            assert int(exact) == context.stand_in(np.array([q], np.int32))[0]
    scaled = 64 * np.arcsinh(np.arange(1.0, MAX_SYMBOL + 1)) + 0.5
    assert np.abs(scaled - np.rint(scaled)).min() > 1e-6


def test_what_stands_for_a_latent_is_odd_and_ascends() -> None:
    stands = context.stand_in(np.arange(-MAX_SYMBOL, MAX_SYMBOL + 1, dtype=np.int32))
    assert np.array_equal(stands, -stands[::-1])
    assert (np.diff(stands) >= 0).all()


@every_channels
def test_the_largest_weights_and_latents_are_summed_exactly_in_any_order(channels: int) -> None:
    network, rng = grid_network(5, 4, channels), np.random.default_rng(0)
    signs = {
        name: [rng.choice([-1.0, 1.0], layer.shape) * context.MAX_WEIGHT for layer in layers]
        for name, layers in weights_of(network).items()
    }
    symbols = rng.choice(np.array([-MAX_SYMBOL, MAX_SYMBOL], np.int32), network.arch.latent_count())
    found: list[list[Call]] = []
    for order in (slice(None), slice(None, None, -1)):
        calls: list[Call] = []
        turned = {name: reordered(layers, order) for name, layers in signs.items()}
        latents = context.placed(network.arch, symbols)
        context.tell(network.arch, turned, latents, lambda *call, to=calls: to.append(call))
        found.append(calls)
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one[1], other[1])
        assert np.array_equal(one[2], other[2])
        assert np.abs(one[2]).max() <= 16 * MAX_SYMBOL


@every_channels
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_largest_weights_and_inputs_have_the_laws_of_exact_integers(channels: int, sign: float) -> None:
    """Whatever the order of a sum, as float64 would lose the last bits of the largest ones first."""
    rng, hair = np.random.default_rng(0), 2.0**-8
    for name, layers in weights_of(grid_network(5, 4, channels)).items():
        most = [np.full(layer.shape, sign * context.MAX_WEIGHT) for layer in layers]
        most[2][:, 0] -= sign
        inputs = rng.choice([-1.0, 1.0], (len(layers[0][0]) - 1, 64)) * 800
        inputs[:, :2] = 800
        inputs[rng.integers(len(inputs), size=64), range(64)] -= hair
        network = context._Network(most, 64)
        network.inputs(64)[...] = inputs
        for one, other in zip(network.laws(64), exact_laws(most, inputs), strict=True):
            assert np.array_equal(one, other), name


def exact_laws(layers: list[NDArray[np.float64]], inputs: NDArray[np.float64]) -> tuple[Ints, Ints]:
    """Scale indices and means, (components, cells), by Python's integers; inputs in units of 2^-8."""
    first, second, last = ([[int(weight) for weight in row] for row in layer] for layer in layers)
    found: list[list[int]] = []
    for column in inputs.T:
        x = [int(256 * value) for value in column]
        h1 = [_leaked(row, [*x, 256 * 64]) // 2**19 for row in first]
        h2 = [one + _leaked(row, [*h1, 1024]) // 2**15 for one, row in zip(h1, second, strict=True)]
        ends = [*h2, *(value // 16 for value in x), 1024]
        outs = [sum(map(int.__mul__, row, ends)) for row in last]
        found.append([min(max(out, -(2**27)), 2**27) for out in outs])
    means, scales = np.split(np.array(found).T, 2)
    indices = ((20 * (scales + 16850128) + 3 * 2**21) // (3 * 2**22)).clip(0, 63)
    return indices.astype(np.int32), ((means + 2**17) // 2**18).astype(np.int32)


def _leaked(row: list[int], values: list[int]) -> int:
    """In eighths."""
    total = sum(map(int.__mul__, row, values))
    return 8 * total if total >= 0 else total


def reordered(layers: list[NDArray[np.float64]], order: slice) -> list[NDArray[np.float64]]:
    """The same network with its neurons in another order, so that its sums are."""
    first, second, last = layers
    width = len(first)
    second, last = second.copy(), last.copy()
    second[:, :width] = second[:, :width][:, order]
    last[:, :width] = last[:, :width][:, order]
    return [first[order], second[order], last]


def test_the_architecture_grows_by_levels_of_twice_the_side() -> None:
    for side, levels in ((1, 2), (24, 2), (25, 3), (48, 3), (49, 4), (768, 7), (769, 8)):
        arch = GridArch.of(Shape(side, 1, 1))
        assert arch.levels == levels
        assert arch.sizes[-1][0] <= 12
