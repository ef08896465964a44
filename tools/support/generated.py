"""Pictures that tools make for themselves."""

import numpy as np

from inrcodec.pictures import save


def picture(seed: int, side: int) -> bytes:
    """A square PNG of a few waves."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[:side, :side]
    waves = [np.sin(rng.uniform(0.1, 0.6) * x + rng.uniform(0.1, 0.6) * y + rng.uniform(0, 6)) for _ in range(3)]
    return save.to_file((127.5 + 127 * np.stack(waves, 2)).astype(np.uint8), "PNG")
