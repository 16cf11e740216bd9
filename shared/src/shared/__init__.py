"""What every Facet service needs, and no domain noun."""
