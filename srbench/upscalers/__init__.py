"""Upscalers: anything that turns LR into SR, one module per source; `specs.open_upscaler` is the way in."""
