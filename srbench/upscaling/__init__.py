"""Upscaling images of any kind, without ground truth: `srbench upscale` and `srbench.upscale`."""

from srbench.upscaling.batch import UpscaleReport, upscale

__all__ = ["UpscaleReport", "upscale"]
