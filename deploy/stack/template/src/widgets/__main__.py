"""`python -m widgets`: the service under gunicorn."""

from shared.serve import serve

if __name__ == "__main__":
    serve("widgets.main:create_app", "widgets.settings:WidgetsSettings")
