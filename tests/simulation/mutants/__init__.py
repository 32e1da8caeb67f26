"""Seeded bugs: a simulation that catches nothing proves nothing.

edit.py       a bug as a small edit of one function's source
gateway.py    bugs of the ballot and the elector
client.py     bugs of the SDK's core
store.py      bugs of a driver, or of what a store's mechanism allows
caught.py     which seed catches each
__main__.py   python -m tests.simulation.mutants: look for those seeds
"""

from tests.simulation.mutants.edit import Edit, Mutant

__all__ = ["Edit", "Mutant"]
