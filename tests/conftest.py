from pathlib import Path

import pytest
from hypothesis import settings

from inrcodec import families
from inrcodec.families import StoredPicture
from inrcodec.pictures import save
from tests.support.helpers import header, png_claiming, seal, siren, small_model
from tests.support.pictures import waves

settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def model() -> StoredPicture:
    return small_model()


@pytest.fixture(scope="session")
def data(model: StoredPicture) -> bytes:
    return families.write(model)


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> Path:
    """A working directory with files good, bad and in the way."""
    monkeypatch.chdir(tmp_path)
    photo = save.to_file(waves(16, 16), "PNG")
    for name, content in {
        "photo.png": photo,
        "cut.png": photo[: len(photo) // 2],
        "text.png": b"not a picture",
        "vast.png": png_claiming(9460, 9460),
        "bomb.png": png_claiming(100_000, 100_000),
        "empty.png": b"",
        "good.inr": data,
        "cut.inr": data[:-1],
        "flipped.inr": data[:30] + bytes([data[30] ^ 1]) + data[31:],
        "newer.inr": data[:4] + b"\x02" + data[5:],
        "flat.inr": seal(header(height=0) + siren()),
        "absurd.inr": seal(header(height=2**31 - 1, width=2**31 - 1) + siren()),
        "wide.inr": seal(header(height=2**17, width=2**17) + siren()),
        "deep.inr": seal(header() + siren(32, (1024,) * 32, bytes(66))),
        "empty.inr": b"",
        "taken.inr": b"mine",
        "taken.png": b"mine",
    }.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "directory.png").mkdir()
    (tmp_path / "folder.inr" / "photo.inr").mkdir(parents=True)
    (tmp_path / "folder.inr" / "good.png").mkdir()
    return tmp_path
