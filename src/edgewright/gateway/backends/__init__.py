"""The generators that a gateway sends requests to, behind one protocol."""
