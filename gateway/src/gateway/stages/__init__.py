"""What a request goes through, in this order. A stage is a callable that takes the exchange."""
