"""`python -m users`: the accounts under gunicorn."""

from shared.serve import serve

if __name__ == "__main__":
    serve("users.main:create_app", "users.settings:UsersSettings")
