"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al. 2024, arXiv:2409.11321, algorithm 3).

For a weight matrix W (m, n) with gradient G, in short:

    L <- b L + (1 - b) G G^T,  R <- b R + (1 - b) G^T G       Shampoo's two factors
    Q_L, Q_R: their eigenvectors, refreshed by one step of orthogonal iteration every `refresh` steps
    M <- b M + (1 - b) G                                      first moment, kept in the original basis
    V <- c V + (1 - c) (Q_L^T G Q_R)^2                        second moment, in the rotated basis
    W <- W - rate * Q_L ( Q_L^T M Q_R / (sqrt(V) + eps) ) Q_R^T

with Adam's bias corrections. A bias of n entries is an (n, 1) matrix with the left factor alone.
The first step only sets up the factors, as in the paper's reference: there is no basis to step in yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.fitting.state import State, take, take_count

_MOST_STEPS = 1 << 31


@dataclass
class _State:
    factors: list[Tensor]
    bases: list[Tensor]
    first: Tensor
    second: Tensor


def _rotate(matrix: Tensor, bases: list[Tensor]) -> Tensor:
    rotated = bases[0].T @ matrix
    return rotated @ bases[1] if len(bases) == 2 else rotated


def _rotate_back(matrix: Tensor, bases: list[Tensor]) -> Tensor:
    rotated = bases[0] @ matrix
    return rotated @ bases[1].T if len(bases) == 2 else rotated


def _products(grad: Tensor, count: int) -> list[Tensor]:
    """What Shampoo's left factor, and the right one where there are two, average over the steps."""
    return [grad @ grad.T, grad.T @ grad][:count]


class Soap:
    """Steps a list of tensors, 1-D or 2-D, against gradients that the caller supplies."""

    def __init__(
        self,
        params: Sequence[Tensor],
        scales: Sequence[float] | None = None,
        beta: float = 0.95,
        beta_second: float = 0.98,
        refresh: int = 10,
        eps: float = 1e-8,
    ) -> None:
        """Tensors are stepped in place, each at its scale of the rate, by default 1; `beta` is b, `beta_second` c."""
        self.params = list(params)
        self.scales = [1.0] * len(self.params) if scales is None else list(scales)
        self.beta, self.beta_second = beta, beta_second
        self.refresh = refresh
        self.eps = eps
        self.steps = 0
        self._states: list[_State] = []

    @torch.no_grad()
    def step(self, grads: Sequence[Tensor], rate: float) -> None:
        """Move every tensor by one step of length about `rate` per coordinate of its eigenbasis.

        Gradients of which a number is not finite count as zeros; nothing waits for the device to find that out.
        """
        finite = torch.stack([grad.sum() for grad in grads]).sum().isfinite()
        matrices = [torch.where(finite, grad if grad.dim() == 2 else grad[:, None], 0) for grad in grads]
        if not self._states:
            self._states = [self._start(grad, param.dim()) for grad, param in zip(matrices, self.params, strict=True)]
            return
        self.steps += 1
        for param, scale, grad, state in zip(self.params, self.scales, matrices, self._states, strict=True):
            param.sub_(self._update(grad, state).view_as(param), alpha=scale * rate)
            self._track(grad, state)

    def state(self) -> State:
        """Factors, bases, moments and the count of steps, as copies; not the params. The inverse of `restore`."""
        arrays: dict[str, NDArray[Any]] = {"steps": np.array(self.steps, np.int64)}
        for number, state in enumerate(self._states):
            named = {"first": state.first, "second": state.second}
            for side, (factor, basis) in enumerate(zip(state.factors, state.bases, strict=True)):
                named |= {f"factor{side}": factor, f"basis{side}": basis.T}  # as in memory: products round by that
            arrays |= {f"{number}.{name}": tensor.cpu().numpy().copy() for name, tensor in named.items()}
        return arrays

    def restore(self, state: State) -> None:
        """Go on where another left off that steps tensors of the same shapes; raises CheckpointError for others."""
        self.steps = take_count(state, "steps", _MOST_STEPS)
        started = len(state) > 1
        self._states = [self._restored(state, *pair) for pair in enumerate(self.params)] if started else []

    @staticmethod
    def _restored(state: State, number: int, param: Tensor) -> _State:
        def tensor(name: str, *shape: int) -> Tensor:
            return torch.tensor(take(state, f"{number}.{name}", shape, np.float32), device=param.device)

        shape = (len(param), param.numel() // len(param))
        sides = range(param.dim())
        return _State(
            [tensor(f"factor{side}", shape[side], shape[side]) for side in sides],
            [tensor(f"basis{side}", shape[side], shape[side]).T for side in sides],
            tensor("first", *shape),
            tensor("second", *shape),
        )

    @staticmethod
    def _start(grad: Tensor, dim: int) -> _State:
        factors = _products(grad, dim)
        bases = [torch.linalg.eigh(factor)[1] for factor in factors]
        return _State(factors, bases, torch.zeros_like(grad), torch.zeros_like(grad))

    def _update(self, grad: Tensor, state: _State) -> Tensor:
        """Adam's update in the rotated basis, rotated back."""
        correction = 1 - self.beta**self.steps
        rotated = _rotate(grad, state.bases)
        state.first.lerp_(grad, 1 - self.beta)
        state.second.lerp_(rotated.square(), 1 - self.beta_second)
        denominator = (state.second / (1 - self.beta_second**self.steps)).sqrt_().add_(self.eps)
        update = _rotate(state.first, state.bases).div_(correction).div_(denominator)
        return _rotate_back(update, state.bases)

    def _track(self, grad: Tensor, state: _State) -> None:
        """Follow Shampoo's factors, and now and then their eigenvectors."""
        for factor, product in zip(state.factors, _products(grad, len(state.factors)), strict=True):
            factor.lerp_(product, 1 - self.beta)
        if self.steps % self.refresh == 0:
            state.bases = [
                torch.linalg.qr(factor @ basis)[0] for factor, basis in zip(state.factors, state.bases, strict=True)
            ]
