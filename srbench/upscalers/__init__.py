"""Upscalers: anything that turns LR into SR, one module per source. `loading.open_upscaler` opens each of them."""
