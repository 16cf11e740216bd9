"""Rebuilds the price model from its data; needs the extra `train`, which no running service has."""
