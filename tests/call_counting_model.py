"""A user's model in a file of its own, which notes each of its calls, for runs in several processes."""

from __future__ import annotations

FACTORY = """
import os, time, torch
def make(scale):
    def upscale(lr):
        if tuple(lr.shape[-2:]) not in ((64, 80), (61, 75)):
            with open("calls", "a") as file:
                file.write("x")
            time.sleep(float(os.environ.get("SECONDS_A_CALL", "0")))
        return torch.nn.functional.interpolate(lr, scale_factor=scale)
    return upscale
"""
"""Its calls go to the file `calls` of the current folder, without those on the probe images; `SECONDS_A_CALL`
makes it slow enough to be killed."""
