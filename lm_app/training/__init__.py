"""Offline: recipe, fit, gate, release. Imported by scripts/, never by what serves."""
