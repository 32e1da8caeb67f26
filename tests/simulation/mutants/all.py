"""All bugs there are."""

from tests.simulation.mutants import client, gateway, store

MUTANTS = (*gateway.MUTANTS, *client.MUTANTS, *store.MUTANTS)
