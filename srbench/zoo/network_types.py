"""A network of the zoo as data: hyper-parameters, attention slot, variants. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from srbench.errors import UnknownNameError

Option = int | float | bool

Form = Literal["authors", "paper", "unit"]
"""How a network computes inside: like its authors' code, like the BAM paper's code, or with values of 0…1."""

FORMS: tuple[Form, ...] = ("authors", "unit", "paper")
"""Every form; of two forms with equal settings, the earlier one names them."""

TRAINED_FORM: Form = "unit"
"""The form of a training from scratch, unless another one is chosen."""

TRAINING_FORM: tuple[str, Option] = ("training_form", True)
"""The option that builds a network's convolutions as the branches that its authors train."""


@dataclass(frozen=True, kw_only=True)
class Attention:
    """One kind of attention: its name in a model spec, and its fixed reduction, if it has one.

    `own_only`: only the networks that come with it can have it, because its map is not bounded.
    """

    name: str
    title: str
    reduces: bool = True
    fixed_reduction: int | None = None
    own_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network at the size of its paper, as its authors run it.

    `options` are the constructor's keywords with their defaults; `multiples` says of which number, or of which other
    option, an option has to be a multiple. `value_range` is the range its authors' weights were trained on.
    `paper_form` holds the settings, besides the range, that differ in the BAM paper's code of its BAM variant; networks
    that are not in the paper have none. `unit_form` holds the settings, besides the range, that keep values near 1
    inside. `sizes` are further published sizes that a checkpoint may have, as the options that differ; the training
    form counts as one. `needs_gpu` says that a training on a processor takes days; `smaller` then names a network of
    the same architecture that does not.
    """

    name: str
    title: str
    module: str
    source: str
    citation: str
    value_range: float
    attention: str = "none"
    slot: str
    slot_channels: int
    reduction: int = 16
    scales: tuple[int, ...] = (2, 3, 4)
    options: Mapping[str, Option]
    multiples: Mapping[str, int | str] = field(default_factory=lambda: MappingProxyType({}))
    paper_form: Mapping[str, Option] = field(default_factory=lambda: MappingProxyType({}))
    unit_form: Mapping[str, Option] = field(default_factory=lambda: MappingProxyType({}))
    sizes: tuple[tuple[tuple[str, Option], ...], ...] = ()
    heads_for_all_scales: bool = False
    needs_gpu: bool = False
    smaller: str | None = None

    def hosts(self, attention: str) -> bool:
        """Return whether the slot can have this kind of attention: its channels must be divisible by the reduction."""
        if ATTENTIONS[attention].own_only:
            return attention == self.attention
        return self.slot_channels % self.divisor(attention) == 0

    def divisor(self, attention: str) -> int:
        """Return the number that the channels of the slot must be divisible by: the reduction, or 1."""
        kind = ATTENTIONS[attention]
        return (kind.fixed_reduction or self.reduction) if kind.reduces else 1

    def form_options(self, form: Form) -> dict[str, Option]:
        """Return the options in which a form differs from the authors' form; empty if they are the same.

        Raises UnknownNameError for an unknown form.
        """
        settings: Mapping[str, Mapping[str, Option]] = {
            "authors": {},
            "unit": {"value_range": 1.0, **self.unit_form},
            "paper": {"value_range": 1.0, **self.paper_form},
        }
        if form not in settings:
            raise UnknownNameError("form", form, FORMS)
        return {key: value for key, value in settings[form].items() if value != self._authors_value(key)}

    def forms(self) -> tuple[Form, ...]:
        """Return the forms that differ from each other; of equal forms only the first name in `FORMS`."""
        return tuple(dict.fromkeys(self.form_of(self.form_options(form)) or form for form in FORMS))

    def forms_with(self, options: Mapping[str, Option]) -> tuple[Form, ...]:
        """Return the forms whose `form_options` are these options."""
        return tuple(form for form in FORMS if self.form_options(form) == options)

    def form_of(self, options: Mapping[str, Option]) -> Form | None:
        """Return the form that a network with these options runs in, or None if it is none of the three.

        Options that no form sets, such as the number of channels, do not matter.
        """
        authors = {key: self._authors_value(key) for key in self.form_keys}
        chosen = authors | {key: value for key, value in options.items() if key in authors}
        return next((form for form in FORMS if authors | self.form_options(form) == chosen), None)

    @property
    def form_keys(self) -> frozenset[str]:
        """The options in which the forms differ."""
        return frozenset(("value_range", *self.paper_form, *self.unit_form))

    def _authors_value(self, option: str) -> Option:
        return self.value_range if option == "value_range" else self.options[option]


@dataclass(frozen=True)
class Variant:
    """A network with one kind of attention in its slot; `name` is what a model spec calls it."""

    network: Network
    attention: str

    @property
    def name(self) -> str:
        """`imdn` with the network's own attention, `imdn-bam` with another."""
        own = self.attention == self.network.attention
        return self.network.name if own else f"{self.network.name}-{self.attention}"

    @property
    def title(self) -> str:
        """`IMDN` or `IMDN-BAM`."""
        own = self.attention == self.network.attention
        return self.network.title if own else f"{self.network.title}-{ATTENTIONS[self.attention].title}"

    @property
    def default_form(self) -> Form:
        """The form that `build` uses unless it is given one: `authors` with the network's own attention, else `unit`.

        At a range of 255 the sigmoids of an added attention are saturated before the first step.
        """
        return "authors" if self.attention == self.network.attention else "unit"

    @property
    def reduction(self) -> int:
        """The reduction of the attention in the slot."""
        return ATTENTIONS[self.attention].fixed_reduction or self.network.reduction


ATTENTIONS: Mapping[str, Attention] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Attention(name="none", title="none", reduces=False),
            Attention(name="bam", title="BAM"),
            Attention(name="acam", title="ACAM"),
            Attention(name="msam", title="MSAM", reduces=False),
            # Controls of studies: damping without attention.
            Attention(name="fixed-025", title="fixed gain 0.25", reduces=False),
            Attention(name="fixed-05", title="fixed gain 0.5", reduces=False),
            Attention(name="gain", title="channel gain", reduces=False),
            Attention(name="acam-max", title="ACAM+max"),
            Attention(name="msam-avg", title="MSAM+avg", reduces=False),
            Attention(name="bam-add", title="BAM+both"),
            Attention(name="ca", title="CA"),
            Attention(name="cca", title="CCA"),
            Attention(name="se", title="SE"),
            # The BAM paper's code always builds CBAM with 16.
            Attention(name="cbam", title="CBAM", fixed_reduction=16),
            Attention(name="pa", title="PA", reduces=False),
            Attention(name="la", title="LA"),
            # RFANet and EFDN squeeze to a quarter of the channels.
            Attention(name="esa", title="ESA", fixed_reduction=4),
            Attention(name="esa-light", title="ESA-light", reduces=False),
            Attention(name="spa", title="SPA", reduces=False),
            Attention(name="safm", title="SAFM", reduces=False, own_only=True),
            Attention(name="safm-ntire2023", title="SAFM-NTIRE2023", reduces=False, own_only=True),
        )
    }
)
"""Every kind of attention by its name in a model spec."""
