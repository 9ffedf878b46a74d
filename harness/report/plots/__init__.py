"""Plots of a board. matplotlib is imported when one is drawn."""
