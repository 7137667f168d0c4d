"""The catalogue of weights: one frozen, typed entry per file, with its origin. Imports no torch, so listing is fast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from srbench.errors import UnknownNameError, WeightsError
from srbench.fetch import RemoteFile
from srbench.records.training_documents import WeightsDocument
from srbench.zoo.modern_weights import MODERN_WEIGHTS
from srbench.zoo.network_types import Network
from srbench.zoo.networks import find_variant
from srbench.zoo.trained import Training, records, scales_of, scores_at
from srbench.zoo.weights_entry import TAGS, ExpectedScore, Setting, Tag, WeightsEntry, expected_scores, raw_address

__all__ = ["CATALOGUE", "DEFAULT_TAG", "TAGS", "ExpectedScore", "Setting", "Tag", "WeightsEntry"]

DEFAULT_TAG: Tag = "srbench"


def catalogue(entries: Iterable[WeightsEntry]) -> tuple[WeightsEntry, ...]:
    """Return the entries; raise WeightsError if two have the same name, tag and scale, or the same file name."""
    checked: list[WeightsEntry] = []
    seen: set[tuple[str, ...]] = set()
    for entry in entries:
        claims = {(entry.name, entry.tag, str(scale)) for scale in entry.scales} | {("file", entry.file.name)}
        if twice := seen & claims:
            raise WeightsError(f"the catalogue has this twice: {sorted(twice)}")
        seen |= claims
        checked.append(entry)
    return tuple(checked)


def entries_of(name: str) -> tuple[WeightsEntry, ...]:
    """Return all entries of the network called `name`; empty if there are none."""
    return tuple(entry for entry in CATALOGUE if entry.name == name)


def entry_of(sha256: str) -> WeightsEntry | None:
    """Return the entry for the file with this hash, if there is one."""
    return next((entry for entry in CATALOGUE if entry.file.sha256 == sha256), None)


def authors_scores(name: str, *, scale: int) -> dict[str, ExpectedScore]:
    """Return the scores of the authors' weights of a network at `scale`, by dataset; empty if none are listed."""
    return {
        score.dataset: score
        for entry in entries_of(name)
        if entry.tag == "authors"
        for score in entry.scores
        if score.scale == scale
    }


def names_file(tag: str) -> bool:
    """Return whether the text after the @ of a model spec is a file: it has a dot or a slash, or the file exists."""
    return tag not in TAGS and (any(letter in tag for letter in "./\\") or (tag != "" and Path(tag).is_file()))


def find_weights(name: str, *, tag: str | None, scale: int) -> WeightsEntry:
    """Return the entry for `zoo:NAME@TAG` at `scale`; without a tag, for `@srbench`.

    Raises UnknownNameError for an unknown tag and WeightsError, listing what exists, where the network has no weights
    under the tag or none for the scale. Whether `name` is a network is checked elsewhere.
    """
    wanted = DEFAULT_TAG if tag is None else tag
    if wanted not in TAGS:
        raise UnknownNameError("weights tag", wanted, TAGS)
    entries = entries_of(name)
    tagged = [entry for entry in entries if entry.tag == wanted]
    if not tagged:
        raise WeightsError(_no_such_tag(name, wanted, entries))
    for entry in tagged:
        if scale in entry.scales:
            return entry
    served = sorted({served for entry in tagged for served in entry.scales})
    raise WeightsError(f"zoo:{name}@{wanted} has no weights for ×{scale}; it has {times(served)}")


def gpu_note(network: Network) -> str:
    """Return a sentence that this network must be trained on a GPU, with the weights that exist; otherwise an empty
    text.

    Those that exist are the weights of this network and of a smaller one of the same architecture, with and without an
    attention.
    """
    if not network.needs_gpu:
        return ""
    existing = dict.fromkeys(
        entry.spec
        for name in (network.name, network.smaller)
        for entry in CATALOGUE
        if find_variant(entry.name).network.name == name
    )
    return f"{network.title} at full size has to be trained on a GPU; what exists: {', '.join(existing)}"


def _no_such_tag(name: str, tag: str, entries: tuple[WeightsEntry, ...]) -> str:
    network = find_variant(name).network
    existing = sorted({entry.tag for entry in entries})
    if network.needs_gpu and tag == DEFAULT_TAG:
        return f"zoo:{name} has no weights tagged @{tag}: {gpu_note(network)}"
    if not existing:
        return f"zoo:{name} has no published weights; train them (srbench train --model {name})"
    specs = " or ".join(f"zoo:{name}@{other}" for other in existing)
    return f"zoo:{name} has no weights tagged @{tag}; tags that exist: {', '.join(existing)} (write {specs})"


def times(scales: Iterable[int]) -> str:
    """Return scales as text: `×2, ×3`."""
    return ", ".join(f"×{scale}" for scale in scales)


def _imdn(scale: int, size: int, sha256: str, scores: tuple[ExpectedScore, ...]) -> WeightsEntry:
    commit = "8f158e6a5ac9db6e5857d9159fd4a6c4214da574"
    name = f"IMDN_x{scale}.pth"
    return WeightsEntry(
        name="imdn",
        tag="authors",
        scales=(scale,),
        network="imdn",
        keys="authors",
        file=RemoteFile(name, raw_address("Zheng222/IMDN", commit, f"checkpoints/{name}"), size, sha256),
        licence="not stated",
        source="Hui et al., Lightweight image super-resolution with information multi-distillation network, MM 2019",
        training_data="DIV2K, 800 images",
        scores=scores,
    )


def _pan(scale: int, size: int, sha256: str, scores: tuple[ExpectedScore, ...]) -> WeightsEntry:
    commit = "4d045d18592c5771cd3990da88f292812774e538"
    name = f"PANx{scale}_DF2K.pth"
    return WeightsEntry(
        name="pan",
        tag="authors",
        scales=(scale,),
        network="pan",
        keys="authors",
        file=RemoteFile(
            name, raw_address("zhaohengyuan1/PAN", commit, f"experiments/pretrained_models/{name}"), size, sha256
        ),
        licence="not stated",
        source="Zhao et al., Efficient image super-resolution using pixel attention, ECCV workshops 2020",
        training_data="DF2K: DIV2K and Flickr2K, 3450 images",
        scores=scores,
    )


# Scores measured under matlab-y with these files; on Set5 and Set14 they equal the authors' to all digits.
_IMDN = (
    _imdn(
        2,
        2_796_052,
        "740b39653592bd3f49955a21cd9e16f2d37f2c413368cc09327601b8fbe42ce1",
        expected_scores(2, Set5=(37.996, 0.9605), Set14=(33.627, 0.9177), BSD100=(32.189, 0.8996)),
    ),
    _imdn(
        3,
        2_830_672,
        "11b1716a19bc16e5e353e1db798d476169338e631eb170c82d765559888cb028",
        expected_scores(3, Set5=(34.360, 0.9270), Set14=(30.322, 0.8417), BSD100=(29.094, 0.8046)),
    ),
    _imdn(
        4,
        2_879_112,
        "e660c38221147217a136debeb99eb304d62d9c0f73ac421ed66281b619719714",
        expected_scores(4, Set5=(32.210, 0.8948), Set14=(28.582, 0.7811), BSD100=(27.560, 0.7353)),
    ),
)

_PAN = (
    _pan(
        2,
        1_076_593,
        "fcf8ed48656abbaae46309ee91745684b80235a9c8b37a2d8fb0715a3ad3f00f",
        expected_scores(2, Set5=(38.001, 0.9605), Set14=(33.593, 0.9181)),
    ),
    _pan(
        3,
        1_076_593,
        "86491751d73645a8816a0d6ec62ccde6b22ce5da930e36b3b87f5437167fbc89",
        expected_scores(3, Set5=(34.400, 0.9272), Set14=(30.355, 0.8422), BSD100=(29.112, 0.8051)),
    ),
    _pan(
        4,
        1_121_681,
        "739fab99ee7b7058dab4d1b84aa2869bb9fc3995a1c08789c20355bee943833c",
        expected_scores(4, Set5=(32.131, 0.8948), Set14=(28.611, 0.7822), BSD100=(27.598, 0.7365)),
    ),
)

_CARN_COMMIT = "40d3514f81cccd680d846cd5ab07af35f2c8e0e2"
_CARN_PAPER = "Ahn et al., Fast, accurate, and lightweight super-resolution with cascading residual network, ECCV 2018"
_CARN_M_SCORES = (
    *expected_scores(2, Set5=(37.678, 0.9595), Set14=(33.303, 0.9152), BSD100=(31.978, 0.8972)),
    *expected_scores(3, Set5=(34.058, 0.9248), Set14=(30.102, 0.8377), BSD100=(28.942, 0.8012)),
    *expected_scores(4, Set5=(31.883, 0.8910), Set14=(28.417, 0.7772), BSD100=(27.452, 0.7315)),
)
_CARN_M_PUBLISHED = (
    *expected_scores(2, Set5=(37.53, 0.9583), Set14=(33.26, 0.9141), BSD100=(31.92, 0.8960)),
    *expected_scores(3, Set5=(33.99, 0.9236), Set14=(30.08, 0.8367), BSD100=(28.91, 0.8000)),
    *expected_scores(4, Set5=(31.92, 0.8900), Set14=(28.42, 0.7760), BSD100=(27.44, 0.7300)),
)
_CARN = (
    WeightsEntry(
        name="carn",
        tag="authors",
        scales=(2, 3, 4),
        network="carn",
        keys="authors",
        file=RemoteFile(
            "carn.pth", raw_address("nmhkahn/CARN-pytorch", _CARN_COMMIT, "checkpoint/carn.pth"), None, None
        ),
        licence="MIT",
        source=_CARN_PAPER,
        training_data="DIV2K, 800 images, all scales in one training",
    ),
    WeightsEntry(
        name="carn-m",
        tag="authors",
        scales=(2, 3, 4),
        network="carn-m",
        options=(("groups", 4),),
        keys="authors",
        file=RemoteFile(
            "carn_m.pth",
            raw_address("nmhkahn/CARN-pytorch", _CARN_COMMIT, "checkpoint/carn_m.pth"),
            1_670_695,
            "d48a759a84509351facb6b7c6d5bd6edec98b98519b8c464ee4ab44d2ba964ff",
        ),
        licence="MIT",
        source=_CARN_PAPER,
        training_data="DIV2K, 800 images, all scales in one training",
        scores=_CARN_M_SCORES,
        published=_CARN_M_PUBLISHED,
        # CARN-pytorch's carn/sample.py (save_image), its README ("differences from previous version"), and its author
        # in PCARN-pytorch's issue 2; without those ReLUs the file scores 17.68 dB on Set5 ×4.
        note="group convolutions of 4: 414.8 K parameters, where the network of the paper's Table 1 has 1161.3 K. "
        "Its authors' script cuts outputs to 8 bits where matlab-y rounds them, which costs 0.17 dB on Set5 ×2. "
        "The file is a later training than the first announced one: batch and patch of 64, grouped up-samplers with "
        "ReLU",
    ),
)

_S_LWSR = (
    WeightsEntry(
        name="s-lwsr32",
        tag="authors",
        scales=(4,),
        network="s-lwsr32",
        keys="authors",
        file=RemoteFile(
            "s-LWSR32_x4_model_best.pt",
            raw_address(
                "Sudo-Biao/s-LWSR",
                "789ed425830873018c632fe56a8d6953a96edbc5",
                "Train/experiment/s-LWSR_BIX4_P48/model/model_best.pt",
            ),
            2_309_785,
            "bbee3a005429524322e4aa32885a9af8f99cdc92613e58872af455acd76d872c",
        ),
        licence="MIT",
        source="Li et al., s-LWSR: super lightweight super-resolution network, IEEE TIP 29, 2020",
        training_data="DIV2K, 800 images; one epoch of 1000 steps, batch 16, patch 192",
        scores=expected_scores(4, Set5=(28.961, 0.8191), Set14=(26.454, 0.7225), BSD100=(26.287, 0.6895)),
        published=expected_scores(4, Set5=(32.04, 0.8930), Set14=(28.15, 0.7760), BSD100=(27.52, 0.7340)),
        note="an early checkpoint: the training log in the same repository ends after epoch 1 of 1000, at 31.179 dB "
        "on five images of DIV2K",
    ),
)


def _edsr(scale: int, prefix: str) -> WeightsEntry:
    name = f"edsr_x{scale}-{prefix}.pt"
    return WeightsEntry(
        name="edsr",
        tag="authors",
        scales=(scale,),
        network="edsr",
        keys="authors",
        file=RemoteFile(name, (f"https://cv.snu.ac.kr/research/EDSR/models/{name}",), None, None),
        sha256_prefix=prefix,
        licence="MIT",
        source="Lim et al., Enhanced deep residual networks for single image super-resolution, CVPR workshops 2017",
        training_data="DIV2K, 800 images",
    )


_EDSR = (_edsr(2, "0edfb8a3"), _edsr(3, "ea3ef2c6"), _edsr(4, "4f62e9ef"))


def _super_image(name: str, options: Mapping[str, float | bool]) -> tuple[WeightsEntry, ...]:
    """Return the hub files of one super-image network; that package always uses values 0…1."""
    return tuple(
        WeightsEntry(
            name=name,
            tag="super-image",
            scales=(scale,),
            network=name,
            options=tuple(options.items()),
            keys="super-image",
            # On the hub all networks have the same file name; cache and mirror need different names.
            file=RemoteFile(
                f"super-image_{name}_x{scale}.pt",
                (f"https://huggingface.co/eugenesiow/{name}/resolve/main/pytorch_model_{scale}x.pt",),
                None,
                None,
            ),
            licence="Apache-2.0",
            source=f"eugenesiow/{name}, for the package super-image",
            training_data="DIV2K, 800 images, augmented",
        )
        for scale in (2, 3, 4)
    )


_UNSHIFTED = {"value_range": 1.0, "mean_shift": False}
_SUPER_IMAGE = (
    *_super_image("edsr", {"residual_scale": 1.0, **_UNSHIFTED}),
    *_super_image("edsr-base", _UNSHIFTED),
    *_super_image("msrn", _UNSHIFTED),
    *_super_image("msrn-bam", _UNSHIFTED),
    *_super_image("awsrn-bam", {"value_range": 1.0, "normalise": False}),
    *_super_image("carn", {}),
    *_super_image("carn-bam", {}),
    *_super_image("pan", {}),
    *_super_image("pan-bam", {}),
    *_super_image("drln", {"value_range": 1.0}),
    *_super_image("drln-bam", {"value_range": 1.0}),
    # Its mean shift is for values 0…255 but gets 0…1; it is stored in the file and loaded without a change.
    *_super_image("rcan-bam", {"value_range": 1.0}),
)


def trained_entry(record: WeightsDocument) -> WeightsEntry:
    """Return the catalogue entry for weights that srbench trained, made from their record."""
    training = Training.of(record["training"])
    return WeightsEntry(
        name=record["network"],
        tag="srbench",
        scales=scales_of(record),
        network=record["network"],
        options=tuple(record["options"].items()),
        keys="srbench",
        file=RemoteFile(record["file"]["name"], (), record["file"]["size"], record["file"]["sha256"]),
        licence=record["licence"],
        source=f"trained by srbench, recipe {training.recipe}",
        training_data=training.data,
        scores=tuple(
            ExpectedScore(scale, dataset, means["psnr_y"], means["ssim_y"])
            for scale in scales_of(record)
            for dataset, means in scores_at(record, scale)["scores"].items()
        ),
        training=training,
        note=record["note"],
    )


CATALOGUE: tuple[WeightsEntry, ...] = catalogue(
    (*_IMDN, *_PAN, *_CARN, *_S_LWSR, *_EDSR, *MODERN_WEIGHTS, *map(trained_entry, records()), *_SUPER_IMAGE)
)
"""Every weights file that srbench knows, in the order of the listing."""
