"""A grid picture inside torch: the values of the decoder, with gradients by coordinates, planes and layers."""

import copy
import pickle

import numpy as np
import pytest
import torch

import inrcodec
from inrcodec import families, pixels
from inrcodec.compute.backends import NumpyBackend
from inrcodec.families.grid.module import GridModule, as_torch
from inrcodec.families.grid.stored import GridNetwork
from tests.support.grids import SIZES, grid_network, grid_picture

CPU = torch.device("cpu")
sizes = pytest.mark.parametrize(("height", "width"), SIZES)
every_channels = pytest.mark.parametrize("channels", [1, 2, 3, 4])


def points(height: int, width: int, count: int = 40) -> np.ndarray:
    """In the frame."""
    longer, rng = max(height, width), np.random.default_rng(height + width)
    return (rng.uniform(-0.95, 0.95, (count, 2)) * (height / longer, width / longer)).astype(np.float32)


def module_of(network: GridNetwork) -> GridModule:
    return as_torch(network, CPU).requires_grad_(False)


@sizes
@every_channels
def test_values_are_those_of_the_decoder(height: int, width: int, channels: int) -> None:
    network, at = grid_network(height, width, channels), points(height, width)
    expected = network.evaluator(NumpyBackend(), np.float64)(at)
    module = module_of(network)
    assert module(torch.from_numpy(at)).dtype == torch.float32
    np.testing.assert_allclose(module(torch.from_numpy(at)).numpy(), expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(module.double()(torch.from_numpy(at)).numpy(), expected, rtol=0, atol=5e-6)


@every_channels
def test_at_pixels_values_are_those_of_the_native_grid(channels: int) -> None:
    network = grid_network(13, 7, channels)
    drawn = network.evaluator(NumpyBackend(), np.float64)(pixels.pixel_centres(13, 7))
    found = module_of(network).double()(torch.from_numpy(pixels.pixel_centres(13, 7)))
    np.testing.assert_allclose(found.numpy(), drawn, rtol=0, atol=5e-6)


@every_channels
def test_derivatives_by_the_coordinates_are_those_of_the_decoder(channels: int) -> None:
    network = grid_network(13, 7, channels)
    at = torch.from_numpy(points(13, 7)).double().requires_grad_()
    module, expected = module_of(network).double(), network.jet_evaluator(NumpyBackend())(points(13, 7))
    for channel in range(channels):
        (slopes,) = torch.autograd.grad(module(at)[:, channel].sum(), at, create_graph=True)
        bends = [torch.autograd.grad(slopes[:, i].sum(), at, retain_graph=True)[0][:, i] for i in (0, 1)]
        scale = np.abs(expected.gradient).max(), np.abs(expected.laplacian).max()
        np.testing.assert_allclose(slopes.detach(), expected.gradient[:, channel], rtol=0, atol=1e-4 * scale[0])
        np.testing.assert_allclose(sum(bends), expected.laplacian[:, channel], rtol=0, atol=1e-4 * scale[1])


@every_channels
def test_gradients_by_planes_and_layers_are_those_of_finite_differences(channels: int) -> None:
    module = as_torch(grid_network(5, 4, channels), CPU).double()
    at = torch.from_numpy(points(5, 4, 7)).double()

    def values(planes: torch.Tensor, *layers: torch.Tensor) -> torch.Tensor:
        named = {f"layers.{i}": layer for i, layer in enumerate(layers)}
        return torch.func.functional_call(module, {"planes": planes, **named}, (at,))

    inputs = [parameter.detach().clone().requires_grad_() for parameter in (module.planes, *module.layers)]
    assert torch.autograd.gradcheck(values, inputs, fast_mode=True)


def test_any_shape_of_coordinates_keeps_it() -> None:
    module = module_of(grid_network(13, 7, 3))
    flat = module(torch.zeros(20, 2))
    assert torch.equal(module(torch.zeros(4, 5, 2)), flat.reshape(4, 5, 3))
    assert module(torch.zeros(2)).shape == (3,)
    assert module(torch.zeros(0, 2)).shape == (0, 3)


def test_what_is_not_finite_gives_nan_leaves_others_alone_and_has_no_gradient_that_spoils_theirs() -> None:
    module = module_of(grid_network(13, 7, 3))
    at = torch.tensor([[0.1, 0.2], [float("nan"), 0.0], [0.0, float("inf")], [-float("inf"), 0.1]], requires_grad=True)
    values = module(at)
    torch.testing.assert_close(values[0], module(at[:1].detach())[0])
    assert values[1:].isnan().all()
    values[0].sum().backward()
    assert at.grad is not None
    assert at.grad.isfinite().all()


def test_coefficients_are_kept_while_no_gradient_is_asked_of_the_planes() -> None:
    module, at = module_of(grid_network(13, 7, 3)), torch.from_numpy(points(13, 7))
    module(at)
    kept = module._splines()
    module(at.clone().requires_grad_())
    assert module._splines() is kept
    module.requires_grad_()
    assert module._splines() is not kept
    with torch.no_grad():
        assert module._splines() is kept


def test_changed_planes_are_seen() -> None:
    module, at = module_of(grid_network(13, 7, 3)), torch.from_numpy(points(13, 7))
    before = module(at)
    with torch.no_grad():
        module.planes.mul_(1.5)
    changed = module(at)
    assert (changed != before).any()
    other = module_of(grid_network(13, 7, 3, seed=1))
    module.load_state_dict(other.state_dict())
    assert torch.equal(module(at), other(at))


def test_what_was_made_in_inference_mode_serves_outside_of_it() -> None:
    module, at = module_of(grid_network(13, 7, 3)), torch.from_numpy(points(13, 7))
    with torch.inference_mode():
        module(at)
    tracked = at.clone().requires_grad_()
    module(tracked).sum().backward()
    assert tracked.grad is not None


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_it_is_copied_and_pickled(copied) -> None:
    module, at = module_of(grid_network(13, 7, 3)), torch.from_numpy(points(13, 7))
    values = module(at)
    assert torch.equal(copied(module)(at), values)


def test_a_file_opens_as_a_module() -> None:
    data, at = families.write(grid_picture(13, 7, 3)), points(13, 7)
    module = inrcodec.as_module(data)
    assert not any(parameter.requires_grad for parameter in module.parameters())
    np.testing.assert_allclose(module(torch.from_numpy(at)).numpy(), inrcodec.open(data).sample(at), rtol=0, atol=1e-4)
