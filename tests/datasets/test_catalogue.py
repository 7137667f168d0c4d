"""The registry of datasets, entry by entry, and the facts that its fingerprints must meet."""

from __future__ import annotations

import subprocess
import sys

import pytest

from srbench.datasets.catalogue import CATALOGUE, EDSR_LEVELS, DatasetEntry, find_entry, known_images
from srbench.errors import DatasetError, UnknownNameError
from srbench.images import fingerprint

# Published with the benchmark (reference/fingerprints.json, "fingerprint").
FINGERPRINTS = {
    "Set5": "66273e2a659d8202c9809ac46aa68c45c3c88f64a895c35f6737a70dd84ff708",
    "Set14": "380cd77f5e1c5c3c6245a06dc67c371c98b2d7f008e4195a04c5510e1ee5a3f3",
    "BSD100": "b8991d37a0e772555c1857a2780403a88378a4e436176e025ddac42ca31668d0",
    "Urban100": "2900b9352ae8c192b163cddb3c97f6777eea48115dcd37539e3473113002da78",
}


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=list(CATALOGUE))
def test_every_entry_is_complete(entry: DatasetEntry) -> None:
    assert all((entry.title, entry.citation, entry.licence, entry.access))
    assert entry.split().name == entry.default_split
    assert all(find_entry(alias.upper()) is entry for alias in (entry.name, *entry.aliases))
    known = known_images(entry.name)
    assert [image.name for image in known] == sorted(image.name for image in known)
    assert len(known) in {0, entry.split().count}
    for source in entry.sources:
        assert all(url.startswith("https://") for file in source.files for url in file.urls)


def test_standard_sets_have_their_published_number_of_images() -> None:
    counts = {(entry.name, split.name): split.count for entry in CATALOGUE.values() for split in entry.splits}
    published = {
        ("Set5", "test"): 5,
        ("Set14", "test"): 14,
        ("BSD100", "test"): 100,
        ("Urban100", "test"): 100,
        ("Manga109", "test"): 109,
        ("DIV2K", "train"): 800,
        ("DIV2K", "validation"): 100,
        ("RealSR7", "test"): None,
    }
    assert published.items() <= counts.items()


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_known_pixels_give_the_published_fingerprint(name: str) -> None:
    assert fingerprint(image.sha256 for image in known_images(name)) == FINGERPRINTS[name]


def test_edsr_levels_follow_from_their_formula() -> None:
    assert [level for level in range(256) if int(level * (1 / 255) * 255) == level - 1] == list(EDSR_LEVELS)


def test_what_was_never_published_is_named_as_such() -> None:
    with pytest.raises(DatasetError, match=r"hidden.*never published"):
        find_entry("DIV2K").split("test")
    with pytest.raises(UnknownNameError, match="did you mean"):
        find_entry("Urban10")
    for name in ("sample", "folder:DIR"):
        with pytest.raises(DatasetError, match=f"got {name}, which is read in place: it cannot be listed"):
            find_entry(name)


def test_listing_loads_nothing_heavy() -> None:
    script = (
        "import sys; from srbench.cli import main; main(['data', 'list'], standalone_mode=False);"
        "print([m for m in ('torch', 'datasets', 'pandas', 'requests', 'pyarrow', 'skimage') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
