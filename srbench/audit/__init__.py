"""Holding a claim, PSNR and SSIM as printed, against what a model scores under every protocol."""
