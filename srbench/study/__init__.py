"""Controlled studies: a question, its arms, seeds and margins fixed in a file before anything is trained."""
