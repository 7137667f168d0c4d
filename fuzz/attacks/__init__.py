"""Files made to crash, hang or deceive the readers: the attacks of the test suite and of `make attacks`."""
