"""Servers side by side, for `auth.py`."""
