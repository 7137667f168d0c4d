"""PSNR, SSIM, the texture-aliasing score and luma as pure functions of arrays in 0…255; every choice is a keyword."""

from srbench.metrics.aliased import aliasing_weight, weighted_psnr
from srbench.metrics.color import luma, luma_rounded, shave
from srbench.metrics.psnr import psnr
from srbench.metrics.ssim import ssim

__all__ = ["aliasing_weight", "luma", "luma_rounded", "psnr", "shave", "ssim", "weighted_psnr"]
