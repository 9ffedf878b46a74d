"""Checks that any plugin must pass, and models whose likelihood and best network are known exactly."""
