"""Tests and intervals for the values of cells: plain functions of arrays, which know no board."""
