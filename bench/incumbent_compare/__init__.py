"""How the stores differ on this machine, and what the gateway adds over asking them directly."""
