"""The source of a user's model that counts its calls in a file, for runs in several processes."""

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
"""Each call adds a sign to the file `calls` in the current folder, except calls on the probe images. `SECONDS_A_CALL`
makes the model slow enough to be killed."""
