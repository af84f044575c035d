"""Scenarios, one a function; see differential/session.py for what they are given."""
