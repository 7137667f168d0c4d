"""Evaluation protocols: how HR and LR are prepared, how SR is scored, and the named protocols."""

from srbench.protocols.arrays import Images, to_8bit
from srbench.protocols.preparation import SCALES, Degradation, HrRule, LrSource, Preparation
from srbench.protocols.registry import MATLAB_LUMA, MATLAB_PREPARATION, Protocol, get_protocol, protocol_names
from srbench.protocols.scoring import ALIASING_LOBES, SSIM_WINDOW, Channels, Luma, Scoring

__all__ = [
    "ALIASING_LOBES",
    "MATLAB_LUMA",
    "MATLAB_PREPARATION",
    "SCALES",
    "SSIM_WINDOW",
    "Channels",
    "Degradation",
    "HrRule",
    "Images",
    "LrSource",
    "Luma",
    "Preparation",
    "Protocol",
    "Scoring",
    "get_protocol",
    "protocol_names",
    "to_8bit",
]
