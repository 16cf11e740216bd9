"""HTTP/1.1 on both sides of the gateway: framing, back-pressure, deadlines. No policy."""
