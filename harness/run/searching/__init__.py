"""Searches for settings of methods: trials are asked, run like any cells, and told, until their number is reached."""
