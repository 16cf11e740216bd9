"""Checks whether a server speaks the Open Inference Protocol (v2) over REST; it may be any server."""
