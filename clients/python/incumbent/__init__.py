"""The Python SDK of Incumbent, a leader-election gateway."""
