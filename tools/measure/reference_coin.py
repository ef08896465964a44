"""The published COIN loop, written plainly: what the encoder is measured against.

Dupont et al. 2021, arXiv:2103.03123, section 4: a SIREN (w0 = 30) on the whole picture at once, Adam at a constant rate
of 2e-4 for 50,000 steps, the best weights of the second half kept. As in the published code, every step reads its loss
and PSNR back and coordinates are corners of [-1, 1]. Nothing of inrcodec is used.
"""

import copy
import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Sine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(30.0 * x)


def network(dim_hidden: tuple[int, ...], channels: int) -> nn.Sequential:
    """A SIREN with the paper's start: U(-1/n, 1/n) in the first layer, U(-sqrt(6/n)/30, ..) in the others."""
    sizes = (2, *dim_hidden)
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), Sine()]
    layers.append(nn.Linear(sizes[-1], channels))
    for index, layer in enumerate(layers[0::2]):
        bound = 1 / layer.in_features if index == 0 else math.sqrt(6 / layer.in_features) / 30
        nn.init.uniform_(layer.weight, -bound, bound)
        nn.init.uniform_(layer.bias, -bound, bound)
    return nn.Sequential(*layers)


def coordinates(height: int, width: int, device: torch.device) -> Tensor:
    y, x = torch.linspace(-1, 1, height, device=device), torch.linspace(-1, 1, width, device=device)
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)


class Loop:
    """The state of the training; `step` is one iteration of the published loop."""

    def __init__(self, image: Tensor, dim_hidden: tuple[int, ...], steps: int, seed: int = 0) -> None:
        """`image` is (H, W, C) float in [0, 1]."""
        torch.manual_seed(seed)
        height, width, channels = image.shape
        self.coords, self.features = coordinates(height, width, image.device), image.reshape(-1, channels)
        self.model = network(dim_hidden, channels).to(image.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=2e-4)
        self.steps, self.best = steps, -math.inf
        self.best_model = copy.deepcopy(self.model.state_dict())

    def step(self, number: int) -> None:
        self.optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.model(self.coords), self.features)
        loss.backward()
        self.optimizer.step()
        psnr = -10 * math.log10(loss.item())
        if psnr > self.best:
            self.best = psnr
            if number > self.steps // 2:
                self.best_model = copy.deepcopy(self.model.state_dict())

    def run(self, report: Callable[[int, float], None]) -> float:
        """All steps; returns the best PSNR in dB."""
        for number in range(self.steps):
            self.step(number)
            if (number + 1) % 5000 == 0:
                report(number + 1, self.best)
        return self.best
