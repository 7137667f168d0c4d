"""Typed models of every record that srbench reads or writes: one module per kind of record. No torch."""
