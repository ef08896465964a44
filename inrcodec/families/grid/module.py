"""A grid picture inside torch: differentiable by the position, by its planes and by the layers of its synthesis."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inrcodec.compute.spline import Spline
from inrcodec.families.grid.arch import FINE, GridArch
from inrcodec.families.grid.colour import matrix
from inrcodec.families.grid.distortion import scales
from inrcodec.families.grid.stored import GridNetwork

_OTHERS = [0, 1, 2, 3, 5, 6, 7, 8]
"""Of a 3x3 neighbourhood, row by row: all but the place itself."""


def as_torch(network: GridNetwork, device: torch.device) -> "GridModule":
    """A stored network as a module: (.., 2) coordinates -> (.., channels) values near [-1, 1]."""
    return GridModule(network.arch, network.planes(np.float64), network.synthesis(np.float32), device)


class GridModule(nn.Module):
    """A picture as a function of the plane, in float32; `.double()` makes it float64.

    Positions are those of the coordinates, and not rounded as a decoder does: they have derivatives.
    """

    def __init__(self, arch: GridArch, planes: NDArray[Any], layers: list[NDArray[Any]], device: torch.device) -> None:
        super().__init__()
        self.arch = arch
        self.planes = nn.Parameter(torch.tensor(planes, dtype=torch.float32, device=device))
        """(planes, H, W), sums of the latents' levels, not yet scaled."""
        self.layers = nn.ParameterList(torch.tensor(layer, dtype=torch.float32, device=device) for layer in layers)
        """The synthesis: [W | b] of its three layers."""
        self._kept: tuple[Any, list[Spline]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but what is found out again."""
        return {**self.__dict__, "_kept": None}

    def forward(self, coords: Tensor) -> Tensor:
        """(.., 2) coordinates, the longer side [-1, 1] -> (.., channels) values near [-1, 1]; NaN where not finite."""
        finite = coords.isfinite().all(-1)
        places = torch.where(finite[..., None], coords, 0).reshape(-1, 2).double()
        values = self._values(places).reshape(*coords.shape[:-1], self.arch.channels)
        return torch.where(finite[..., None], values, torch.nan)

    def _values(self, places: Tensor) -> Tensor:
        """(N, 2) coordinates in float64 -> (N, channels)."""
        height, width, longer = self.arch.height, self.arch.width, max(self.arch.height, self.arch.width)
        rows, columns = (places[:, 0] * longer + height - 1) / 2, (places[:, 1] * longer + width - 1) / 2
        fine, rest = self._splines()
        around = fine.points(rows, columns, 1).flatten(1, 2)
        planes = torch.cat([around[:, 4], rest.points(rows, columns)[:, 0, 0]])
        out = self._synthesis(planes, around[:, _OTHERS]) + self._sums(planes)
        return out.T @ planes.new_tensor(2 * matrix(self.arch.channels))

    def _synthesis(self, planes: Tensor, others: Tensor) -> Tensor:
        """(components, N) of the planes (planes, N), and of those of the neighbours of the first two (2, 8, N)."""
        factors = planes.new_tensor(scales(self.arch))
        seen = [planes * factors[:, None], (others * factors[:FINE, None, None]).flatten(0, 1)]
        x = torch.cat([*seen, torch.ones_like(planes[:1])])
        first, second, last = self.layers
        below = torch.sin(first @ x)
        above = torch.sin(second @ torch.cat([below, x[-1:]]))
        out: Tensor = last @ torch.cat([above, x])
        return out

    def _sums(self, planes: Tensor) -> Tensor:
        """(components, N): the plain sum of each component's planes."""
        owners = [component for component, _ in self.arch.planes]
        return torch.stack([planes[[one == own for own in owners]].sum(0) for one in self.arch.components])

    def _splines(self) -> list[Spline]:
        """Of the planes with neighbours, and of the others; kept while no gradient is asked of them."""
        if self.planes.requires_grad and torch.is_grad_enabled():
            return self._split(self.planes)
        key = self.planes.data_ptr(), self.planes._version, self.planes.dtype, self.planes.device
        if self._kept is None or self._kept[0] != key:
            # coefficients that were made in inference mode would be of no use outside of it
            with torch.inference_mode(False), torch.no_grad():
                splines = self._split(self.planes.detach())
                for spline in splines:
                    _ = spline.coefficients
            self._kept = key, splines
        return self._kept[1]

    @staticmethod
    def _split(planes: Tensor) -> list[Spline]:
        return [Spline(planes[:FINE], torch), Spline(planes[FINE:], torch)]
