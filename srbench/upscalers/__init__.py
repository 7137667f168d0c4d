"""Upscalers: anything that turns LR into SR, one module per source; `loading.open_upscaler` is the way in."""
