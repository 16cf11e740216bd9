"""The one public door: matches, authenticates and forwards each request."""
