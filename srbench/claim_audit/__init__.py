"""Compare a claim, PSNR and SSIM as printed, with what a model scores under every protocol."""
