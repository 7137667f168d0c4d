"""Coverage-guided fuzzing of what reads strangers' files; run by `make fuzz` in an environment of its own."""
