"""PSNR, SSIM and luma as pure functions of arrays in 0…255; every choice is an explicit keyword."""

from srbench.metrics.color import luma, luma_rounded, shave
from srbench.metrics.psnr import psnr
from srbench.metrics.ssim import ssim

__all__ = ["luma", "luma_rounded", "psnr", "shave", "ssim"]
