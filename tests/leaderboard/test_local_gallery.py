"""Crops of the user's own images: cut from the complete upscaled image, served from memory, never part of the site."""

from __future__ import annotations

import threading
import urllib.request
from io import BytesIO
from pathlib import Path
from queue import Queue

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from leaderboard.collection import collect
from leaderboard.gallery import DATA
from leaderboard.local_gallery import default_models, local_files
from leaderboard.serving import serve
from srbench.cli import main
from srbench.crop_boxes import LocalCrop
from srbench.datasets.imageset import open_dataset
from srbench.errors import DatasetError
from srbench.local_crops import make_local_crops
from srbench.protocols import get_protocol, to_8bit
from srbench.upscalers.loading import open_upscaler
from tests.submissions.generated import generate


@pytest.fixture(scope="module")
def crop() -> LocalCrop:
    return make_local_crops(["bicubic"], data_root=None, images=["Sample/coffee"], scale=3)[0]


def test_crops_are_cut_from_the_complete_upscaled_image(crop: LocalCrop) -> None:
    hr, lr = get_protocol("matlab-y").prepare(open_dataset("Sample").hr("coffee"), scale=3)
    sr = to_8bit(open_upscaler("bicubic", scale=3).checked(lr, dataset="Sample", name="coffee"))
    assert crop.box.x % 3 == crop.box.y % 3 == crop.box.width % 3 == 0
    for found, complete in ((crop.hr, hr), (crop.sr["bicubic"], sr)):
        with Image.open(BytesIO(found)) as image:
            assert np.array_equal(np.asarray(image), crop.box.crop(complete))
    expected = get_protocol("matlab-y").score(crop.box.crop(sr), crop.box.crop(hr), scale=3)
    assert crop.scores["bicubic"] == (expected["psnr_y"], expected["psnr_y_aliased"])


def test_local_pictures_are_served_and_not_written(crop: LocalCrop, tmp_path: Path) -> None:
    generate(tmp_path / "in", 2)
    files = local_files(collect(tmp_path / "in"), [crop])
    addresses: Queue[str] = Queue()
    arguments = {"port": 0, "ready": addresses.put, "memory": files}
    threading.Thread(target=serve, args=(tmp_path,), kwargs=arguments, daemon=True).start()
    address = addresses.get(timeout=10)
    with urllib.request.urlopen(address + DATA) as answer:
        assert b'"name":"Sample/coffee"' in answer.read()
    with urllib.request.urlopen(f"{address}local/Sample/coffee-x3-model-0.webp") as answer:
        assert answer.headers["Content-Type"] == "image/webp" and answer.read() == crop.sr["bicubic"]
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_unknown_local_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="got 'Sample/tea'; choose one, for example astronaut"):
        make_local_crops(["bicubic"], data_root=None, images=["Sample/tea"])
    with pytest.raises(DatasetError, match="below the data root, found none; name images with --image"):
        make_local_crops(["bicubic"], data_root=tmp_path)
    refused = CliRunner().invoke(main, ["leaderboard", "serve", "--image", "Set5/baby"])
    assert refused.exit_code == 2 and "--image needs --data-root" in refused.stderr


def test_default_models_start_with_bicubic(tmp_path: Path) -> None:
    assert default_models(collect(Path(__file__).parents[2] / "submissions"), 4)[:2] == ["bicubic", "zoo:rlfn@authors"]
