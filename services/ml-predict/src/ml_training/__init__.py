"""Builds the models of the repository. The service needs neither this package nor its libraries."""
