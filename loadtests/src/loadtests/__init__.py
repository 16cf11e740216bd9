"""Load on Facet, and Facet beside its peers."""
