"""`python -m items`: the listings under gunicorn."""

from shared.serve import serve

if __name__ == "__main__":
    serve("items.main:create_app", "items.settings:ItemsSettings")
