"""How often neurons fire: a plug-in for Dynascope."""
