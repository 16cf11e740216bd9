"""The model server. Before anything else, ONNX Runtime is told to keep to itself."""

import os

# Since 1.29 it reports use to its maker by default, from a thread that it starts when it is imported. Apart
# from what it tells: gunicorn's workers are forked after the import, and such a worker never ends by itself.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
