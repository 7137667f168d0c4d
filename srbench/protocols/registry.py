"""The named, versioned protocols: a Protocol is a Preparation (HR rule, degradation) plus a Scoring.

The protocols are entries of one table at the end of this module; PROTOCOLS in the documentation gives the
measurements behind each choice. Scores of two protocols are never compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from srbench.degradations import (
    BD_DN_SCALE,
    blur_downsample,
    crop_to_multiple,
    matlab_bicubic,
    noisy_downsample,
    pillow_bicubic,
    require_multiple,
    resize_to_multiple,
)
from srbench.errors import ProtocolError, UnknownNameError
from srbench.metrics import psnr
from srbench.plugins import Registry
from srbench.protocols.arrays import Images, to_8bit
from srbench.protocols.preparation import Preparation
from srbench.protocols.scoring import Luma, Scoring


@dataclass(frozen=True)
class Protocol:
    """A named, versioned way to compute scores. `version` increases whenever a number could change."""

    name: str
    version: int
    summary: str
    preparation: Preparation
    scoring: Scoring
    ranked: bool = True

    def __repr__(self) -> str:
        return f"Protocol {self.name} v{self.version}: {self.summary}"

    def prepare(self, hr: Images, *, scale: int, name: str = "") -> tuple[Images, Images]:
        """Return (HR', LR) of an HR image; see `Preparation.prepare`."""
        return self.preparation.prepare(hr, scale=scale, name=name)

    def score(self, sr: object, hr: Images, *, scale: int) -> dict[str, float | None]:
        """Return the scores of an SR image against HR'; see `Scoring.score`.

        Raises:
            ProtocolError: as there, and for a scale that the protocol is not defined for.
        """
        self.preparation.require_scale(scale)
        return self.scoring.score(sr, hr, scale=scale)

    def psnr_lr(self, sr: object, lr: Images, *, scale: int, name: str = "") -> float | None:
        """Return the PSNR in dB over R, G, B between the SR image shrunk by this protocol's degradation and its LR.

        A correct SR image stays close to its LR; a shifted or differently scaled image, or another photograph, gets a
        low value. None where the protocol has no degradation: how the LR of a real pair was made is unknown.
        """
        if self.preparation.degradation is None:
            return None
        return psnr(self.preparation.degrade(to_8bit(sr), scale=scale, name=name), lr, data_range=255)

    def require_size(self, height: int, width: int, *, scale: int) -> None:
        """Raise ProtocolError for an HR image that is too small to be prepared and scored."""
        self.preparation.require_size(height, width, scale=scale)
        self.scoring.require_size(height - height % scale, width - width % scale, scale=scale)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the scores, PSNR and SSIM first."""
        pair = f"psnr_{self.scoring.channels}", f"ssim_{self.scoring.channels}"
        return (*pair, "psnr_y_aliased") if self.scoring.aliased else pair


def get_protocol(name: str) -> Protocol:
    """Return the protocol of that name.

    Raises:
        UnknownNameError: no such protocol; the message offers close matches.

    Examples:
        >>> import numpy as np
        >>> from srbench.resize import imresize
        >>> protocol = get_protocol("matlab-y")
        >>> original = np.random.default_rng(0).integers(0, 256, (50, 47, 3), dtype=np.uint8)
        >>> hr, lr = protocol.prepare(original, scale=4)
        >>> hr.shape, lr.shape
        ((48, 44, 3), (12, 11, 3))
        >>> scores = protocol.score(imresize(lr, 4), hr, scale=4)
        >>> {name: round(value, 4) for name, value in scores.items()}
        {'psnr_y': 15.9756, 'ssim_y': 0.0762, 'psnr_y_aliased': 15.9291}
    """
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def protocol_names() -> list[str]:
    """Return the names of all protocols, the default first.

    Examples:
        >>> protocol_names()  # doctest: +ELLIPSIS
        ['matlab-y', 'matlab-y-rounded', 'matlab-rgb', 'div2k-rgb', 'ntire-esr', 'bam2021', 'bd', ..., 'pairs-y']
    """
    return list(PROTOCOLS)


MATLAB_LUMA = Luma((65.481, 128.553, 24.966), 255)
"""ITU-R BT.601 luma as MATLAB's ``rgb2ycbcr`` defines it for floating input."""

_ROUNDED_LUMA = Luma(MATLAB_LUMA.coefficients, MATLAB_LUMA.divisor, rounded=True)

# 64.738 is a mistake of the BAM authors for 65.738. Their numbers contain it, so their protocol keeps it.
_BAM_LUMA = Luma((64.738, 129.057, 25.064), 256)

MATLAB_PREPARATION = Preparation("crop, matlab bicubic", crop_to_multiple, matlab_bicubic, takes_lr=True)
"""HR cropped right and bottom to a multiple of the scale, LR by MATLAB's bicubic."""

_GIVEN_PREPARATION = Preparation(MATLAB_PREPARATION.key, crop_to_multiple, matlab_bicubic, takes_lr=True, ships_lr=True)


def _table(*entries: Protocol) -> dict[str, Protocol]:
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        raise ProtocolError(f"a protocol is registered twice among {', '.join(names)}")
    return {entry.name: entry for entry in entries}


PROTOCOLS: Registry[Protocol] = Registry(
    "protocol",
    _table(
        Protocol(
            "matlab-y",
            1,
            "crop, MATLAB bicubic LR, 8-bit output, MATLAB Y, shave = scale",
            MATLAB_PREPARATION,
            Scoring(rounded=True, channels="y", luma=MATLAB_LUMA, aliased=True),
        ),
        Protocol(
            "matlab-y-rounded",
            1,
            "as matlab-y, with Y rounded to an integer as rgb2ycbcr does on uint8",
            MATLAB_PREPARATION,
            Scoring(rounded=True, channels="y", luma=_ROUNDED_LUMA, aliased=True),
        ),
        Protocol(
            "matlab-rgb",
            1,
            "as matlab-y, over R, G and B together",
            MATLAB_PREPARATION,
            Scoring(rounded=True, channels="rgb", luma=None),
        ),
        # The rule of the NTIRE 2017 challenge that DIV2K was made for.
        Protocol(
            "div2k-rgb",
            1,
            "the NTIRE 2017 challenge's rule: given LR files, 8-bit output, R, G and B together, shave = scale + 6",
            _GIVEN_PREPARATION,
            Scoring(rounded=True, channels="rgb", luma=None, extra_shave=6),
        ),
        # The rule of the NTIRE efficient-SR challenges since 2022.
        Protocol(
            "ntire-esr",
            1,
            "the efficient-SR challenges' rule: given LR files, 8-bit output, R, G and B together, shave = scale",
            _GIVEN_PREPARATION,
            Scoring(rounded=True, channels="rgb", luma=None),
        ),
        Protocol(
            "bam2021",
            1,
            "HR resized and LR made by Pillow, output not rounded, the BAM code's Y, shave = scale",
            Preparation("resize, pillow bicubic", resize_to_multiple, pillow_bicubic),
            Scoring(rounded=False, channels="y", luma=_BAM_LUMA),
        ),
        Protocol(
            "bd",
            1,
            "×3 only: LR by a 7×7 Gaussian and every third pixel; scored as matlab-y",
            Preparation("bd", crop_to_multiple, blur_downsample, scales=(BD_DN_SCALE,)),
            Scoring(rounded=True, channels="y", luma=MATLAB_LUMA),
        ),
        Protocol(
            "dn-srbench1",
            1,
            "×3 only: MATLAB bicubic LR with noise of level 30 fixed by the image name; as matlab-y",
            Preparation("dn-srbench1", crop_to_multiple, noisy_downsample, scales=(BD_DN_SCALE,)),
            Scoring(rounded=True, channels="y", luma=MATLAB_LUMA),
            ranked=False,
        ),
        # Real pairs, scored as in papers on real-world SR that use pyiqa, but without its epsilon in the MSE.
        Protocol(
            "pairs-y",
            1,
            "real LR/HR pairs: given LR files of any origin, 8-bit output, MATLAB Y, no shave, SSIM on rounded Y",
            Preparation("given pairs", require_multiple, None, ships_lr=True, any_origin=True),
            Scoring(
                rounded=True, channels="y", luma=MATLAB_LUMA, scale_shave=0, ssim_luma=_ROUNDED_LUMA, ssim_clipped=True
            ),
        ),
    ),
)
"""Every protocol by name, the default first."""
