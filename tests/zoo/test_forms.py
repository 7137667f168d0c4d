"""The forms of a network: what each sets, what they share, and which one weights and builds are in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from srbench.errors import WeightsError
from srbench.zoo import build, load
from srbench.zoo.blocks import DIV2K_MEAN
from srbench.zoo.checkpoints import Architecture
from srbench.zoo.conversion import convert
from srbench.zoo.networks import FORMS, NETWORKS, Form, find_variant
from srbench.zoo.weights_catalogue import CATALOGUE
from tests.zoo.small import SMALL

_WIDE = ("edsr", "edsr-base", "msrn", "s-lwsr32", "rcan", "drln", "awsrn", "rlfn")


def test_added_attention_builds_at_range_one() -> None:
    for name in _WIDE:
        assert find_variant(name).default_form == "authors"
        assert build(name, scale=2, device="meta").value_range == 255
        assert build(f"{name}-bam", scale=2, device="meta").value_range == 1


@pytest.mark.parametrize("name", ("imdn", "pan", "carn", "carn-m", "efdn", "safmn"))
def test_networks_at_range_one_have_a_single_form(name: str) -> None:
    assert NETWORKS[name].forms() == ("authors",) and find_variant(f"{name}-bam").network.form_options("unit") == {}


def test_span_has_no_gain_at_range_one() -> None:
    assert NETWORKS["span"].forms() == ("authors", "unit")
    torch.manual_seed(0)
    authors, unit = (build("span", scale=2, form=form, **SMALL["span"]).eval() for form in ("authors", "unit"))
    unit.load_state_dict(authors.state_dict())
    with torch.no_grad():
        unit.get_parameter("first.weight").mul_(255)
        lr = torch.rand(1, 3, 12, 10)
        torch.testing.assert_close(unit(lr), authors(lr))


@pytest.mark.parametrize("name", ("edsr", "edsr-base", "msrn", "s-lwsr32", "awsrn"))
def test_unit_equals_authors_where_the_range_cancels(name: str) -> None:
    # Without biases and sigmoids a ReLU network is homogeneous: 255 at its input is 255 at its output.
    torch.manual_seed(0)
    authors, unit = (build(name, scale=3, form=form, **SMALL[name]).eval() for form in ("authors", "unit"))
    unit.load_state_dict({**authors.state_dict(), **_mean_shifts(unit)})
    for network in (authors, unit):
        _clear_biases(network)
    lr = torch.rand(1, 3, 12, 10)
    with torch.inference_mode():
        torch.testing.assert_close(unit(lr), authors(lr), rtol=0, atol=2e-5)
        moved = build(name, scale=3, form="unit", value_range=255.0, **SMALL[name]).eval()
        moved.load_state_dict(authors.state_dict())
        _clear_biases(moved)
        torch.testing.assert_close(moved(lr), authors(lr), rtol=0, atol=0)


def test_the_mean_shift_follows_the_range() -> None:
    for name in ("edsr", "msrn", "s-lwsr32", "rcan"):
        peaks: dict[Form, float] = {"authors": 255.0, "unit": 1.0}
        for form, peak in peaks.items():
            bias = build(name, scale=2, form=form, **SMALL[name]).get_parameter("sub_mean.bias").tolist()
            assert bias == pytest.approx([-peak * mean for mean in DIV2K_MEAN])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("form", FORMS)
def test_options_name_their_form(name: str, form: Form) -> None:
    network = NETWORKS[name]
    options = network.form_options(form)
    found = network.form_of({**options, "channels": 8})
    assert found is not None and network.form_options(found) == options and form in network.forms_with(options)


def test_published_weights_keep_their_form() -> None:
    forms = {
        entry.spec: NETWORKS[find_variant(entry.network).network.name].form_of(dict(entry.options))
        for entry in CATALOGUE
    }
    bases = ("s-lwsr32", "rcan", "msrn", "edsr-base")
    unit = {f"zoo:{name}{end}@srbench": "unit" for name in bases for end in ("", "-bam")}
    other = {spec: form for spec, form in forms.items() if form != "authors" and "@super-image" not in spec}
    assert other == unit
    paper = ("edsr", "edsr-base", "msrn", "msrn-bam", "awsrn-bam")
    assert [forms[f"zoo:{name}@super-image"] for name in paper] == ["paper"] * 5
    assert Architecture("rcan-bam", 3).build("meta").value_range == 255


def test_a_file_without_record_needs_its_form(tmp_path: Path) -> None:
    torch.manual_seed(1)
    path = tmp_path / "s-lwsr32-bam.pth"
    torch.save(build("s-lwsr32-bam", scale=2, form="paper").state_dict(), path)
    with pytest.raises(WeightsError, match=r"got one without a record; give --form authors or unit or paper"):
        load("s-lwsr32-bam", scale=2, file=path)
    loaded = load("s-lwsr32-bam", scale=2, file=path, form="paper").module
    assert (loaded.value_range, loaded.mean_shift) == (1, False)
    options = tuple(NETWORKS["s-lwsr32"].form_options("paper").items())
    written = convert(path, network="s-lwsr32-bam", scale=2, options=options).path
    assert load("s-lwsr32-bam", scale=2, file=written).module.mean_shift is False
    with pytest.raises(WeightsError, match="expected weights in the form unit, got paper; leave out --form"):
        load("s-lwsr32-bam", scale=2, file=written, form="unit")


def _mean_shifts(network: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value for key, value in network.state_dict().items() if "_mean" in key}


def _clear_biases(network: nn.Module) -> None:
    for key, parameter in network.named_parameters():
        if key.endswith("bias") and "_mean" not in key:
            nn.init.zeros_(parameter)
