"""Verification: what is checked of a submission, and how its scores are made again."""
