"""What a network of the zoo is as data: its hyper-parameters, its attention slot, its variants. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Option = int | float | bool

TRAINING_FORM: tuple[str, Option] = ("training_form", True)
"""The option that builds a network's convolutions as the branches that its authors train."""


@dataclass(frozen=True, kw_only=True)
class Attention:
    """One kind of attention: its name in a model spec, and the reduction it insists on, if it does.

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
    option, an option has to be a multiple. `paper_form` is what the BAM paper's own code sets differently in its BAM
    variant (`build(..., form="paper")`). `value_range` is the range its weights were trained on. `sizes` are further
    published sizes that a checkpoint may have, as the options that differ; the training form counts as one.
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
    sizes: tuple[tuple[tuple[str, Option], ...], ...] = ()

    def hosts(self, attention: str) -> bool:
        """Whether the slot can have this kind of attention: its channels divide by the reduction, if there is one."""
        if ATTENTIONS[attention].own_only:
            return attention == self.attention
        return self.slot_channels % self.divisor(attention) == 0

    def divisor(self, attention: str) -> int:
        """The number that has to divide the slot's channels: the reduction, or 1."""
        kind = ATTENTIONS[attention]
        return (kind.fixed_reduction or self.reduction) if kind.reduces else 1


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
            Attention(name="acam-max", title="ACAM+max"),
            Attention(name="msam-avg", title="MSAM+avg", reduces=False),
            Attention(name="bam-add", title="BAM+both"),
            Attention(name="ca", title="CA"),
            Attention(name="cca", title="CCA"),
            Attention(name="se", title="SE"),
            # The BAM paper's code builds CBAM with 16, whatever is asked for.
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
