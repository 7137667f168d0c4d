"""Claims held against scores: the measured cases of the paper, margins, rounds, misuse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from srbench.audit.claims import Claim, parse_printed, read_claims
from srbench.audit.forms import Bench, Form, Measured, Subject
from srbench.audit.verdict import NO_WEIGHTS, UNDECIDED, Audit, Finding, audit_claim, audit_claims
from srbench.datasets import open_dataset
from srbench.datasets.variants import identify_variant
from srbench.errors import AuditError, ImageError
from srbench.evaluation import evaluate
from srbench.images import save_png
from srbench.protocols import Protocol, get_protocol

# IMDN's authors' weights on BSD100 ×2, as measured; the rounded luma adds the rounding's own error.
IMDN_BSD100_X2 = {
    "matlab-y": (32.1889, 0.8996),
    "matlab-y-rounded": (32.161, 0.8988),
    "matlab-rgb": (30.833, 0.8904),
    "bam2021": (34.108, 0.9263),
}
IMDN_SET5_X4 = {"matlab-y": (32.210, 0.8948), "matlab-y-rounded": (32.189, 0.8941), "bam2021": (32.252, 0.8954)}


class Table(Bench):
    """A bench whose scores are given; it remembers what it was asked."""

    def __init__(self, plain: dict[str, tuple[float, float]], *, edsr: float = 0.0, ensemble: float = 0.0) -> None:
        super().__init__()
        self.given, self.edsr, self.ensemble, self.asked = plain, edsr, ensemble, list[str]()

    def plain(self, subject: Subject) -> list[Measured]:
        self.asked.append("plain")
        return [Measured(Form(get_protocol(name)), *scores, None) for name, scores in self.given.items()]

    def variants(self, subject: Subject) -> list[Measured]:
        self.asked.append("variants")
        return [Measured(Form(get_protocol("matlab-y"), "edsr"), self.edsr, None, None)] if self.edsr else []

    def ensembles(self, subject: Subject, protocols: Iterable[Protocol]) -> list[Measured]:
        names = [protocol.name for protocol in protocols]
        self.asked.append(f"ensembles of {', '.join(names)}" if names else "ensembles of nothing")
        return [Measured(Form(get_protocol(name), self_ensemble=True), self.ensemble, None, None) for name in names]


def claim(printed: str, *, own: bool = False, model: str = "zoo:imdn@authors") -> Claim:
    return Claim(parse_printed(printed), 2, "BSD100", model, own)


def answer(audit: Audit) -> str | None:
    return str(audit.best.measured.form) if isinstance(audit.best, Finding) else audit.best


@pytest.mark.parametrize(
    ("printed", "own", "scores", "expected"),
    [
        ("34.05/0.9259", False, IMDN_BSD100_X2, "bam2021"),
        ("32.19/0.8996", True, IMDN_BSD100_X2, "matlab-y"),
        ("32.24/0.8955", False, IMDN_SET5_X4, UNDECIDED),
        ("33.00/0.9100", False, IMDN_BSD100_X2, None),
        ("34.05/0.9259", True, IMDN_BSD100_X2, None),
    ],
)
def test_the_papers_claims(
    printed: str, own: bool, scores: dict[str, tuple[float, float]], expected: str | None
) -> None:
    assert answer(audit_claim(claim(printed, own=own), Table(scores))) == expected


def test_document_is_the_contract() -> None:
    document = audit_claim(claim("34.05/0.9259"), Table(IMDN_BSD100_X2)).document()
    assert list(document) == ["best", "protocols"]
    assert document["best"] == {"protocol": "bam2021", "distance_db": pytest.approx(0.058), "margin_db": 0.15}
    assert [entry["protocol"] for entry in document["protocols"]] == list(IMDN_BSD100_X2)
    assert audit_claim(claim("32.24"), Table(IMDN_SET5_X4)).document()["best"] == "undecided"
    missed = audit_claim(claim("33"), Table(IMDN_BSD100_X2)).document()
    assert missed["best"] == {"protocol": None, "distance_db": pytest.approx(0.8111), "margin_db": 0.15}


@pytest.mark.parametrize(("printed", "margin"), [("32.19", 0.01), ("32.2", 0.055), ("32", 0.505), ("32.189", 0.0055)])
def test_own_weights_may_miss_by_the_rounding_of_what_is_printed(printed: str, margin: float) -> None:
    assert claim(printed, own=True).margin == pytest.approx(margin)
    assert claim(printed).margin == 0.15
    just = {"matlab-y": (float(printed) + margin, 0.9)}
    assert answer(audit_claim(claim(printed, own=True), Table(just))) == "matlab-y"
    beyond = {"matlab-y": (float(printed) + margin + 1e-6, 0.9)}
    assert answer(audit_claim(claim(printed, own=True), Table(beyond))) is None


def test_variants_and_self_ensemble_are_asked_only_when_nothing_simpler_fits() -> None:
    two = {"matlab-y": (32.189, 0.8996), "bam2021": (34.108, 0.9263)}
    fits = Table(two, edsr=32.19)
    assert answer(audit_claim(claim("32.19", own=True), fits)) == "matlab-y"
    assert fits.asked == ["plain"]
    variant = Table(two, edsr=32.175, ensemble=32.17)
    assert answer(audit_claim(claim("32.17", own=True), variant)) == "matlab-y, edsr"
    assert variant.asked == ["plain", "variants"]
    ensemble = Table(two, edsr=32.18, ensemble=32.33)
    assert answer(audit_claim(claim("32.33", own=True), ensemble)) == "matlab-y, self-ensemble"
    assert ensemble.asked == ["plain", "variants", "ensembles of matlab-y"]
    far = Table(two)
    assert answer(audit_claim(claim("40.00", own=True), far)) is None
    assert far.asked == ["plain", "ensembles of nothing"]
    thorough = Table(two, edsr=32.19, ensemble=32.19)
    assert answer(audit_claim(claim("32.19", own=True), thorough, thorough=True)) == "matlab-y"
    assert thorough.asked == ["plain", "variants", "ensembles of matlab-y, bam2021"]


def test_own_weights_have_to_meet_a_printed_ssim_too() -> None:
    # PAN's own BSD100 x3: a rounded luma meets the PSNR by chance, the edsr pixels meet both.
    pan = {"matlab-y": (29.1124, 0.8051), "matlab-y-rounded": (29.0986, 0.8041)}
    assert answer(audit_claim(claim("29.10", own=True), Table(pan, edsr=29.1045))) == "matlab-y-rounded"
    assert answer(audit_claim(claim("29.10/0.8049", own=True), Table(pan, edsr=29.1045))) == "matlab-y, edsr"
    assert answer(audit_claim(claim("32.19/0.8969", own=True), Table(IMDN_BSD100_X2))) is None
    assert answer(audit_claim(claim("34.05/0.8269"), Table(IMDN_BSD100_X2))) == "bam2021"


def test_what_differs_is_told() -> None:
    assert Form(get_protocol("matlab-y")).differences() == []
    assert len(Form(get_protocol("bam2021")).differences()) == 3
    assert Form(get_protocol("matlab-rgb")).differences() == ["R, G and B together, not Y"]
    assert Form(get_protocol("matlab-y"), "edsr", True).differences() == [
        "HR in the edsr variant, 24 gray levels one lower",
        "the mean over eight flips and rotations",
    ]


def test_a_claim_without_weights_or_data_gets_no_protocol() -> None:
    audits = list(audit_claims([claim("32.19", model=""), claim("32.19", model="zoo:imdn@authors")], Bench()))
    assert [audit.document() for audit in audits] == [{"best": None, "protocols": []}] * 2
    assert audits[0].reason == NO_WEIGHTS
    assert audits[1].reason == "BSD100 (test) was not found"


@pytest.mark.parametrize("text", ["", "psnr", "nan/0.9", "34,05/0.9", "34.05/9259", "-3/0.9", "1e1", "34.05/0.9/1"])
def test_what_is_not_a_claim_is_refused(text: str) -> None:
    with pytest.raises(AuditError, match="as printed"):
        parse_printed(text)


HEAD = "network,scale,dataset,psnr,ssim,model,own_weights,source\n"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("network,scale\n", "missing dataset"),
        (HEAD + "IMDN,5,Set5,32.1,0.9,bicubic,no,x\n", "line 2: expected a scale"),
        (HEAD + "IMDN,2,Set5,32.1,0.9,bicubic,no,x\nIMDN,2,Set5,=1+1,0.9,bicubic,no,x\n", "line 3: expected PSNR"),
        (HEAD + "IMDN,2,Set5,32.1,0.9,bicubic,maybe,x\n", "own_weights"),
        (HEAD + "IMDN,2,Set5\n", "as many cells"),
        (HEAD + "IMDN,2,Set5,32.1,0.9,bicubic,no,x,y\n", "as many cells"),
    ],
)
def test_a_csv_that_is_not_claims_is_refused_by_its_line(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "claims.csv").write_text(text)
    with pytest.raises(AuditError, match=match):
        read_claims(tmp_path / "claims.csv")


def test_a_csv_of_claims_keeps_what_else_it_says(tmp_path: Path) -> None:
    (tmp_path / "claims.csv").write_text(HEAD + "IMDN,4,Set5,32.21,0.8948,zoo:imdn@authors,yes,a table\n")
    [found] = read_claims(tmp_path / "claims.csv")
    assert (found.scale, found.own_weights, str(found.printed)) == (4, True, "32.21/0.8948")
    assert found.labels == {"network": "IMDN", "source": "a table"}


@pytest.fixture
def noise(tmp_path: Path) -> Iterator[NDArray[np.uint8]]:
    image = np.random.default_rng(3).integers(0, 256, (40, 49, 3), dtype=np.uint8)
    save_png(tmp_path / "set" / "one.png", image)
    yield image


def test_the_bench_measures_every_protocol_of_the_scale_once(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    told: list[str] = []
    bench = Bench(tell=told.append)
    subject = Subject("bicubic", 3, f"folder:{tmp_path / 'set'}")
    names = [measured.form.protocol.name for measured in bench.plain(subject)]
    assert names == ["matlab-y", "matlab-y-rounded", "matlab-rgb", "bam2021", "bd", "dn-srbench1"]
    assert bench.plain(subject)[0].psnr == evaluate("bicubic", subject.dataset, scale=3)["psnr_y"].mean()
    assert told[0] == f"scoring bicubic ×3 on {subject.dataset}: matlab-y, matlab-y-rounded, matlab-rgb"
    assert len(told) == 4
    # Pixels of no canonical set have no variants, and bicubic no self-ensemble.
    assert bench.variants(subject) == bench.ensembles(subject, []) == []


def test_a_degradation_that_a_model_cannot_bear_is_left_out(
    tmp_path: Path, noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = evaluate

    def evaluated(*arguments: Any, protocol: tuple[str, ...], **options: Any) -> pd.DataFrame:
        if "dn-srbench1" in protocol:
            raise ImageError("set/one: sr: expected floating values in [0, 1], got up to 2.1")
        return measured(*arguments, protocol=protocol, **options)

    monkeypatch.setattr("srbench.audit.forms.evaluate", evaluated)
    told: list[str] = []
    found = Bench(tell=told.append).plain(Subject("bicubic", 3, f"folder:{tmp_path / 'set'}"))
    assert [one.form.protocol.name for one in found] == ["matlab-y", "matlab-y-rounded", "matlab-rgb", "bam2021", "bd"]
    assert told[-1].startswith("left out dn-srbench1: set/one")


def test_variants_of_the_pixels_at_hand(test_data: Path) -> None:
    bench = Bench(data_root=test_data / "data")
    found = {measured.form.variant: measured for measured in bench.variants(Subject("bicubic", 4, "Set5"))}
    assert list(found) == ["mod12"]
    plain = bench.plain(Subject("bicubic", 4, "Set5"))
    assert {measured.form.protocol.name for measured in plain} >= {"div2k-rgb", "bam2021"}
    assert plain[0].psnr == pytest.approx(28.429, abs=5e-4)
    assert found["mod12"].psnr != plain[0].psnr
    images = open_dataset("Set5", data_root=test_data / "data")
    assert identify_variant("Set5", images.pixel_hashes) == "canonical"


def test_imdn_on_set5_x4_is_undecided_with_other_weights(test_data: Path, mirror: Path) -> None:
    bench = Bench(data_root=test_data / "data", device="cpu")
    held = Claim(parse_printed("32.24/0.8955"), 4, "Set5", "zoo:imdn@authors")
    assert audit_claim(held, bench).document()["best"] == "undecided"
    own = Claim(parse_printed("32.21/0.8948"), 4, "Set5", "zoo:imdn@authors", own_weights=True)
    assert answer(audit_claim(own, bench)) == "matlab-y"


def test_reported_claims_are_readable() -> None:
    claims = read_claims(Path(__file__).parents[1] / "leaderboard/reported/claims.csv")
    assert {
        claim.printed.psnr
        for claim in claims
        if claim.labels["network"] == "IMDN-BAM" and claim.scale == 2 and claim.dataset == "BSD100"
    } == {"34.05"}
    assert all(claim.labels["source"] for claim in claims)
    assert sum(bool(claim.labels["misprint"]) for claim in claims) >= 12
