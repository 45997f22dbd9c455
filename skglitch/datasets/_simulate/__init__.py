"""Strain with glitches of every class, from formulas alone."""
