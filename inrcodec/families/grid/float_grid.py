"""A picture's latents and tensors while they are searched: two flat arrays."""

import numpy as np
from numpy.typing import NDArray

from inrcodec.compute.arena import Array
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.delta import delta_code
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.prior import LATEST, prior
from inrcodec.families.grid.tensors import UNIT, levels_of


class FloatGrid:
    """Latents in their units and tensors, level by level and tensor by tensor; both are replaced, never changed."""

    def __init__(self, arch: GridArch, delta: float, latents: Array, flat: Array) -> None:
        self.arch, self.delta, self.latents, self.flat = arch, delta, latents, flat

    @classmethod
    def begin(cls, arch: GridArch, delta: float, kit: Kit) -> "FloatGrid":
        """No latents, and the networks of the latest prior."""
        return cls(arch, delta, kit.lift(np.zeros(arch.latent_count())), kit.lift(prior_flat(arch, delta)))

    def at(self, delta: float, kit: Kit) -> "FloatGrid":
        """The same picture with another step: latents, and what networks differ by from the prior, are kept."""
        before, after = (kit.lift(prior_flat(self.arch, step)) for step in (self.delta, delta))
        return FloatGrid(self.arch, delta, self.latents * (self.delta / delta), self.flat - before + after)

    def split(self, latents: Array) -> list[Array]:
        """Views (components, rows, columns) of each level in such a flat array."""
        return levels_of(self.arch, latents)


def prior_flat(arch: GridArch, delta: float, number: int = LATEST) -> NDArray[np.float32]:
    """The tensors of a prior at a step, flat."""
    tensors = prior(arch, number, delta_code(delta)).values()
    return (np.concatenate([tensor.reshape(-1) for tensor in tensors]) / UNIT).astype(np.float32)
