"""The Incumbent leader-election gateway."""
