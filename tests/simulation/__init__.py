"""The real core of several gateways under one seeded scheduler, in virtual time."""
