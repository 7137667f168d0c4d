"""Claims held against scores: the measured cases of the paper, margins, rounds, misuse."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from srbench.claim_audit.claims import Claim, parse_printed, read_claims
from srbench.claim_audit.configs import ConfigScore, ScoringConfig, Subject
from srbench.claim_audit.evaluator import ClaimEvaluator
from srbench.claim_audit.variants import FORMULA_VARIANTS, PIPELINE_VARIANTS, PIXEL_VARIANTS, psnr_with_epsilon
from srbench.claim_audit.verdict import NO_WEIGHTS, UNDECIDED, Audit, Finding, audit_claim, audit_claims
from srbench.datasets import open_dataset
from srbench.degradations import crop_to_multiple
from srbench.errors import AuditError, ImageError
from srbench.evaluation import Plan, run
from srbench.images import save_png
from srbench.protocols import Protocol, get_protocol
from srbench.result import evaluate
from srbench.scores import Row

# IMDN's authors' weights on BSD100 ×2, as measured; the rounded luma adds the rounding's own error.
IMDN_BSD100_X2 = {
    "matlab-y": (32.1889, 0.8996),
    "matlab-y-rounded": (32.161, 0.8988),
    "matlab-rgb": (30.833, 0.8904),
    "bam2021": (34.108, 0.9263),
}
IMDN_SET5_X4 = {"matlab-y": (32.210, 0.8948), "matlab-y-rounded": (32.189, 0.8941), "bam2021": (32.252, 0.8954)}


class Table(ClaimEvaluator):
    """An evaluator whose scores are given; it remembers what it was asked."""

    def __init__(
        self, plain: dict[str, tuple[float, float]], *, edsr: float = 0.0, epsilon: float = 0.0, ensemble: float = 0.0
    ) -> None:
        super().__init__()
        self.given, self.edsr, self.ensemble, self.asked = plain, edsr, ensemble, list[str]()
        self.epsilon = epsilon

    def plain(self, subject: Subject) -> list[ConfigScore]:
        self.asked.append("plain")
        return [ConfigScore(ScoringConfig(get_protocol(name)), *scores, None) for name, scores in self.given.items()]

    def variants(self, subject: Subject) -> list[ConfigScore]:
        self.asked.append("variants")
        matlab, scores = get_protocol("matlab-y"), {"edsr": self.edsr, "epsilon": self.epsilon}
        return [ConfigScore(ScoringConfig(matlab, name), psnr, None, None) for name, psnr in scores.items() if psnr]

    def ensembles(self, subject: Subject, protocols: Iterable[Protocol]) -> list[ConfigScore]:
        names = [protocol.name for protocol in protocols]
        self.asked.append(f"ensembles of {', '.join(names)}" if names else "ensembles of nothing")
        return [
            ConfigScore(ScoringConfig(get_protocol(name), self_ensemble=True), self.ensemble, None, None)
            for name in names
        ]


def claim(printed: str, *, own: bool = False, model: str = "zoo:imdn@authors") -> Claim:
    return Claim(parse_printed(printed), 2, "BSD100", model, own)


def answer(audit: Audit) -> str | None:
    return str(audit.best.measured.config) if isinstance(audit.best, Finding) else audit.best


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
    document: dict[str, Any] = audit_claim(claim("34.05/0.9259"), Table(IMDN_BSD100_X2)).document()
    assert list(document) == ["best", "protocols"]
    assert document["best"] == {"protocol": "bam2021", "distance_db": pytest.approx(0.058), "margin_db": 0.15}
    assert [entry["protocol"] for entry in document["protocols"]] == list(IMDN_BSD100_X2)
    assert audit_claim(claim("32.24"), Table(IMDN_SET5_X4)).document()["best"] == "undecided"
    missed = audit_claim(claim("33"), Table(IMDN_BSD100_X2)).document()
    assert missed["best"] == {"protocol": None, "distance_db": pytest.approx(0.8111), "margin_db": 0.15}


@pytest.mark.parametrize(("printed", "margin"), [("32.19", 0.01), ("32.2", 0.055), ("32", 0.505), ("32.189", 0.0055)])
def test_own_weights_may_differ_by_the_rounding_of_the_claim(printed: str, margin: float) -> None:
    assert claim(printed, own=True).margin == pytest.approx(margin)
    assert claim(printed).margin == 0.15
    just = {"matlab-y": (float(printed) + margin, 0.9)}
    assert answer(audit_claim(claim(printed, own=True), Table(just))) == "matlab-y"
    beyond = {"matlab-y": (float(printed) + margin + 1e-6, 0.9)}
    assert answer(audit_claim(claim(printed, own=True), Table(beyond))) is None


def test_variants_are_measured_only_if_no_protocol_fits() -> None:
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
    misprint = Table({"matlab-y": (32.169, 0.9283), "matlab-y-rounded": (32.157, 0.9275)})
    assert answer(audit_claim(claim("32.17/0.9238", own=True), misprint)) is None
    assert misprint.asked == ["plain", "variants", "ensembles of nothing"], "its PSNR needs no self-ensemble"


def test_differences_from_matlab_y_are_named() -> None:
    assert ScoringConfig(get_protocol("matlab-y")).differences() == []
    assert len(ScoringConfig(get_protocol("bam2021")).differences()) == 3
    assert ScoringConfig(get_protocol("matlab-rgb")).differences() == ["R, G and B together, not Y"]
    assert ScoringConfig(get_protocol("matlab-y"), "edsr", True).differences() == [
        "HR in the edsr variant, 24 gray levels one lower",
        "the mean over eight flips and rotations",
    ]


def test_a_claim_without_weights_or_data_gets_no_protocol() -> None:
    audits = list(audit_claims([claim("32.19", model=""), claim("32.19", model="zoo:imdn@authors")], ClaimEvaluator()))
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


def test_the_evaluator_measures_every_protocol_of_the_scale_once(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    told: list[str] = []
    evaluator = ClaimEvaluator(report=told.append)
    subject = Subject("bicubic", 3, f"folder:{tmp_path / 'set'}")
    names = [measured.config.protocol.name for measured in evaluator.plain(subject)]
    assert names == ["matlab-y", "matlab-y-rounded", "matlab-rgb", "bam2021", "bd", "dn-srbench1"]
    assert evaluator.plain(subject)[0].psnr == evaluate("bicubic", subject.dataset, scale=3).scores["psnr_y"].mean()
    assert told[0] == f"scoring bicubic ×3 on {subject.dataset}: matlab-y, matlab-y-rounded, matlab-rgb"
    assert len(told) == 4
    # Pixels of no canonical set have no pixel variants, and bicubic no self-ensemble.
    variants = [str(measured.config) for measured in evaluator.variants(subject)]
    assert variants == ["matlab-y, luma-only", "matlab-y, epsilon", "matlab-rgb, epsilon"]
    assert evaluator.ensembles(subject, []) == []
    assert len(told) == 5  # an epsilon needs no forward pass


def test_a_degradation_that_a_model_cannot_bear_is_left_out(
    tmp_path: Path, noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = run

    def measure(plan: Plan, **options: Any) -> Iterator[list[Row]]:
        if "dn-srbench1" in [protocol.name for protocol in plan.protocols]:
            raise ImageError("set/one: sr: expected floating values in [0, 1], got up to 2.1")
        return measured(plan, **options)

    monkeypatch.setattr("srbench.claim_audit.evaluator.run", measure)
    told: list[str] = []
    found = ClaimEvaluator(report=told.append).plain(Subject("bicubic", 3, f"folder:{tmp_path / 'set'}"))
    assert [one.config.protocol.name for one in found] == [
        "matlab-y",
        "matlab-y-rounded",
        "matlab-rgb",
        "bam2021",
        "bd",
    ]
    assert told[-1].startswith("left out dn-srbench1: set/one")


@pytest.mark.parametrize(
    ("scale", "printed"), [(2, "33.66/0.9299"), (3, "30.39/0.8682"), (4, "28.42/0.8104")], ids=["x2", "x3", "x4"]
)
def test_printed_bicubic_is_a_resized_luma_alone(test_data: Path, scale: int, printed: str) -> None:
    evaluator = ClaimEvaluator(data_root=test_data / "data")
    audit = audit_claim(Claim(parse_printed(printed), scale, "Set5", "bicubic"), evaluator)
    assert answer(audit) == "matlab-y, luma-only"
    assert [str(one.measured.config) for one in audit.findings if one.fits] == ["matlab-y, luma-only"]
    document: dict[str, Any] = audit.document()
    assert document["best"]["protocol"] == "matlab-y"


def test_own_bicubic_is_matlab_y_at_every_scale(test_data: Path) -> None:
    evaluator = ClaimEvaluator(data_root=test_data / "data")
    for scale, printed in ((2, "33.673/0.9303"), (3, "30.403/0.8689"), (4, "28.429/0.8111")):
        audit = audit_claim(Claim(parse_printed(printed), scale, "Set5", "bicubic"), evaluator)
        assert answer(audit) == "matlab-y"


def test_epsilon_costs_what_pyiqa_loses() -> None:
    for exact, loss in ((29.0, 4e-5), (50.0, 0.004)):
        assert exact - psnr_with_epsilon(exact) == pytest.approx(loss, rel=0.15)
    assert psnr_with_epsilon(math.inf) == pytest.approx(80)


def test_a_perfect_model_at_80_db_has_an_epsilon() -> None:
    perfect = Table({"matlab-y": (math.inf, 1.0)}, epsilon=80.0)
    assert answer(audit_claim(claim("80.00/1.0000", own=True), perfect)) == "matlab-y, epsilon"


def test_mod12_scores_as_cropped_files_do(test_data: Path, mirror: Path, tmp_path: Path) -> None:
    evaluator = ClaimEvaluator(data_root=test_data / "data", device="cpu")
    found = {str(one.config): one for one in evaluator.variants(Subject("zoo:imdn@authors", 4, "Set5"))}
    images = open_dataset("Set5", data_root=test_data / "data")
    for name in images.names:
        save_png(tmp_path / "mod12" / f"{name}.png", crop_to_multiple(images.hr(name), scale=12))
    files = evaluate("zoo:imdn@authors", f"folder:{tmp_path / 'mod12'}", scale=4).scores
    assert found["matlab-y, mod12"].psnr == pytest.approx(files["psnr_y"].mean(), abs=1e-9)
    assert found["matlab-y, mod12"].ssim == pytest.approx(files["ssim_y"].mean(), abs=1e-9)
    [plain, *_] = evaluator.plain(Subject("zoo:imdn@authors", 4, "Set5"))
    assert 0.01 < abs(found["matlab-y, mod12"].psnr - plain.psnr) < 0.075


def test_given_lr_that_is_made_lr_needs_no_forward_pass(test_data: Path) -> None:
    told: list[str] = []
    evaluator = ClaimEvaluator(data_root=test_data / "data", report=told.append)
    plain = {str(one.config): one for one in evaluator.plain(Subject("bicubic", 2, "Set5"))}
    assert told[0].endswith(": matlab-y, matlab-y-rounded, matlab-rgb, div2k-rgb, ntire-esr")
    assert (plain["ntire-esr"].psnr, plain["ntire-esr"].ssim) == (plain["matlab-rgb"].psnr, plain["matlab-rgb"].ssim)
    given = evaluate(
        "bicubic", "Set5", scale=2, protocol=["div2k-rgb", "ntire-esr"], data_root=test_data / "data"
    ).scores
    for name, rows in given.groupby("protocol"):
        assert plain[str(name)].psnr == rows["psnr_rgb"].mean()


def test_one_number_under_two_names_is_not_undecided() -> None:
    same = {"matlab-rgb": (30.3, 0.86), "ntire-esr": (30.3, 0.86), "bam2021": (31.0, 0.87)}
    assert answer(audit_claim(claim("30.30/0.8600", own=True), Table(same))) == "matlab-rgb"
    other = {**same, "ntire-esr": (30.301, 0.86)}
    assert answer(audit_claim(claim("30.30/0.8600", own=True), Table(other))) == UNDECIDED


def test_every_variant_says_what_it_changes_and_who_scores_so() -> None:
    variants = (*PIXEL_VARIANTS, *FORMULA_VARIANTS, *PIPELINE_VARIANTS)
    assert len({variant.name for variant in variants}) == len(variants)
    assert all(variant.phrase and variant.source for variant in variants)


def test_imdn_on_set5_x4_is_undecided_with_other_weights(test_data: Path, mirror: Path) -> None:
    evaluator = ClaimEvaluator(data_root=test_data / "data", device="cpu")
    held = Claim(parse_printed("32.24/0.8955"), 4, "Set5", "zoo:imdn@authors")
    assert audit_claim(held, evaluator).document()["best"] == "undecided"
    own = Claim(parse_printed("32.21/0.8948"), 4, "Set5", "zoo:imdn@authors", own_weights=True)
    assert answer(audit_claim(own, evaluator)) == "matlab-y"


def test_reported_claims_are_readable() -> None:
    claims = read_claims(Path(__file__).parents[1] / "leaderboard/reported/claims.csv")
    assert {
        claim.printed.psnr
        for claim in claims
        if claim.labels["network"] == "IMDN-BAM" and claim.scale == 2 and claim.dataset == "BSD100"
    } == {"34.05"}
    assert all(claim.labels["source"] for claim in claims)
    assert sum(bool(claim.labels["misprint"]) for claim in claims) >= 12
