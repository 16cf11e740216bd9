"""`python -m ml_predict`: the model server under gunicorn."""

from shared.serve import serve

if __name__ == "__main__":
    serve(
        "ml_predict.main:create_app",
        "ml_predict.settings:MlPredictSettings",
        protocol="ml_predict.wire:PredictionConnection",
    )
