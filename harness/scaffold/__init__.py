"""New plugins: writes an installable package with a working component of any kind, from templates."""
