from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.small import write_images


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six small images."""
    return write_images(tmp_path_factory.mktemp("training-images"))
