"""J of a picture whose latents stay, one network at a time: to compare networks costs only what they change."""

import functools
from collections.abc import Sequence

from inrcodec.compute.arena import Arena, Array, Run
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.objective import GridObjective
from inrcodec.families.grid.tensors import network, tensors_of


def network_of(tensor: str) -> str:
    """The network that a tensor belongs to; gains count among the synthesis."""
    return "synthesis" if tensor == "gains" else tensor.split(".")[0]


class FixedLatents:
    """J of a picture in parts: that of the synthesis is the error, that of a context network the bits it takes."""

    def __init__(self, objective: GridObjective, latents: Sequence[Array], kit: Kit) -> None:
        """`latents` (components, h, w) of each level, which do not change."""
        self._objective, self.latents = objective, latents
        self._seen, self._recall = objective.rate.seen(latents, Arena(kit.empty)), kit.recorder()

    def part(self, name: str, flat: Array, run: Run = map) -> float:
        """What of J, in bits, a network has part in, with these tensors."""
        if name == "synthesis":
            return self._objective.total(self._objective.error(self.latents, flat, run), 0)
        return float(*self._recall(name, functools.partial(self._of_bits, name), [flat], run))

    def _of_bits(self, name: str, arrays: Sequence[Array], run: Run) -> Sequence[Array]:
        matrices = network(tensors_of(self._objective.arch, *arrays), name)
        return [self._objective.rate.value_by(name, self.latents, self._seen, matrices, run)]
