"""An upscaler: `nearest:any` repeats each pixel."""

from __future__ import annotations

from torch import Tensor, nn

from srbench.upscalers.base import Options, Upscaler
from srbench.upscalers.loading import as_upscaler


class Nearest(nn.Module):
    """Repeat each pixel `scale` times in both directions."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """N×3×H×W to N×3×sH×sW."""
        return x.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


def open_nearest(rest: str, scale: int, options: Options) -> Upscaler:
    """Return the upscaler of a spec such as `nearest:any`. `rest` is the part after the colon."""
    return as_upscaler(Nearest(scale), scale=scale, options=options)
