"""A grid picture as a page draws it: the section, which JavaScript decodes as the docstrings here specify it.

The scripts follow `format/ans.py` (ans.js), `context.py` and `views.py` (latents.js), `pyramid.py` and `spline.py`
(planes.js), and `drawing.py` (synthesis.js, with layers.js). Beside the section they are given what follows
from the picture's sizes, so that `arch.py` alone says what that is.
"""

import base64
import dataclasses
from typing import Any

import numpy as np

from inrcodec.families.contract import PageParts
from inrcodec.families.grid.arch import GridArch, Together
from inrcodec.families.grid.colour import matrix
from inrcodec.families.grid.distortion import scales
from inrcodec.families.grid.prior import prior
from inrcodec.families.grid.views import MARGIN

_SCRIPTS = ("layers.js", "ans.js", "latents.js", "planes.js", "synthesis.js")


def page_parts(arch: GridArch, prior_number: int, delta_code: int, section: bytes) -> PageParts:
    """What a page draws the picture of a section from."""
    tensors = prior(arch, prior_number, delta_code)
    stream = np.concatenate([tensor.reshape(-1) for name, tensor in tensors.items() if name != "gains"])
    return PageParts(
        _SCRIPTS,
        {
            "section": base64.b64encode(section).decode(),
            "prior": base64.b64encode(stream.astype("<i4").tobytes()).decode(),
            "tensors": {name: shape if len(shape) == 2 else (1, *shape) for name, shape in arch.tensors.items()},
            "levels": [_level(arch, level) for level in range(arch.levels)],
            "together": [_together(arch, each) for each in arch.together() if each.level == arch.levels - 1],
            "margin": MARGIN,
            "planes": [
                {"component": arch.components.index(component), "scale": scale}
                for (component, _), scale in zip(arch.planes, scales(arch), strict=True)
            ],
            "toValues": (2 * matrix(arch.channels).T).tolist(),
        },
    )


def _level(arch: GridArch, level: int) -> dict[str, Any]:
    rows, columns = arch.sizes[level]
    return {"rows": rows, "columns": columns, "components": arch.on_level(level), "planes": arch.planes_of(level)}


def _together(arch: GridArch, together: Together) -> dict[str, Any]:
    """The same on every level that has the components."""
    views = [dataclasses.asdict(view) for view in together.views(arch.has_chroma)]
    return {"network": together.network, "components": together.components, "views": views}
