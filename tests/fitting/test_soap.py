"""Laws of SOAP."""

import torch

from inrcodec.fitting.soap import Soap


def quadratic(dim: int, condition: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A rotated, ill-conditioned curvature and an optimum."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(dim, dim, generator=generator))[0]
    scales = torch.logspace(0, -float(torch.log10(torch.tensor(condition))), dim)
    return basis @ torch.diag(scales) @ basis.T, torch.randn(dim, 4, generator=generator)


def descend(soap_or_adam: str, steps: int) -> float:
    curvature, optimum = quadratic(8, 1e3)
    point = torch.zeros(8, 4)
    soap = Soap([point], beta=0.95, beta_second=0.95)
    adam = torch.optim.Adam([point], lr=3e-2, betas=(0.95, 0.95))
    for step in range(steps):
        gradient = curvature @ (point - optimum)
        rate = 3e-2 * (1 - step / steps)
        if soap_or_adam == "soap":
            soap.step([gradient], rate)
        else:
            adam.param_groups[0]["lr"], point.grad = rate, gradient
            adam.step()
    return float(((point - optimum) * (curvature @ (point - optimum))).sum())


def test_soap_beats_adam_where_the_curvature_is_rotated() -> None:
    assert descend("soap", 300) < 0.5 * descend("adam", 300)


def test_the_first_step_moves_nothing_and_the_second_moves_by_the_rate() -> None:
    point = torch.zeros(3, 5)
    soap, gradient = Soap([point]), torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    soap.step([gradient], rate=0.1)
    assert torch.equal(point, torch.zeros(3, 5))
    soap.step([gradient], rate=0.1)
    assert 0 < float(point.abs().max()) <= 0.1 * 15**0.5


def test_a_vector_is_stepped_like_a_column() -> None:
    generator = torch.Generator().manual_seed(1)
    vector, column = torch.zeros(6), torch.zeros(6, 1)
    one, other = Soap([vector]), Soap([column])
    for _ in range(25):
        gradient = torch.randn(6, generator=generator)
        one.step([gradient], 1e-2)
        other.step([gradient[:, None]], 1e-2)
    assert torch.allclose(vector, column[:, 0], atol=1e-5)


def test_a_step_follows_the_gradient_downhill() -> None:
    point = torch.tensor([1.0, -2.0, 3.0])
    soap = Soap([point], beta=0.95, beta_second=0.95)
    for _ in range(400):
        soap.step([2 * point], 1e-2)
    assert float(point.abs().max()) < 0.1


def test_a_number_is_stepped_as_adam_steps_it_with_a_rate_of_averaging_for_each_moment() -> None:
    number, same = torch.tensor([1.0]), torch.tensor([1.0])
    soap = Soap([number], beta=0.8, beta_second=0.99)
    adam = torch.optim.Adam([same], lr=1e-2, betas=(0.8, 0.99))
    gradients = torch.randn(30, 1, generator=torch.Generator().manual_seed(0))
    soap.step([gradients[0]], rate=1e-2)
    for gradient in gradients:
        soap.step([gradient], rate=1e-2)
        same.grad = gradient
        adam.step()
        assert torch.allclose(number, same, atol=1e-6)


def test_every_tensor_is_stepped_at_its_own_scale_of_the_rate() -> None:
    generator = torch.Generator().manual_seed(0)
    points = [torch.zeros(3, 5) for _ in range(3)]
    soaps = [Soap(points[:2], scales=[1.0, 4.0]), Soap(points[2:])]
    for _ in range(25):
        gradient = torch.randn(3, 5, generator=generator)
        soaps[0].step([gradient, gradient], rate=1e-2)
        soaps[1].step([gradient], rate=1e-2)
    assert torch.equal(points[0], points[2])
    assert torch.allclose(points[1], 4 * points[0])
