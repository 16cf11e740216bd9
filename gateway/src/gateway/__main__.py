"""`python -m gateway`: the gateway under gunicorn."""

from shared.serve import serve

if __name__ == "__main__":
    serve(
        "gateway.main:create_app",
        "gateway.settings:GatewaySettings",
        "gateway.wire.server:ClientConnection",
        reloads_in_place=True,
    )
