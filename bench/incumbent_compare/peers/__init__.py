"""How to elect a leader on each store without a gateway, as an engineer would write it today."""
