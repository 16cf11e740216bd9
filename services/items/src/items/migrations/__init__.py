"""The history of the database `items`, written by hand."""
