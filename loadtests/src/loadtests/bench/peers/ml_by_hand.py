"""FastAPI and ONNX Runtime by hand: pydantic in, a dict out, and nothing else."""

import os
from typing import Annotated, Any, Literal

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel, Field

CUTS = ("Fair", "Good", "Very Good", "Premium", "Ideal")
COLORS = ("J", "I", "H", "G", "F", "E", "D")
CLARITIES = ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF")


class Diamond(BaseModel):
    carat: Annotated[float, Field(gt=0, le=20)]
    cut: Literal[CUTS]
    color: Literal[COLORS]
    clarity: Literal[CLARITIES]
    depth: Annotated[float, Field(ge=30, le=90)]
    table: Annotated[float, Field(ge=30, le=100)]
    x: Annotated[float, Field(gt=0, le=30)]
    y: Annotated[float, Field(gt=0, le=30)]
    z: Annotated[float, Field(gt=0, le=20)]

    def row(self) -> list[float]:
        grades = (CUTS.index(self.cut), COLORS.index(self.color), CLARITIES.index(self.clarity))
        return [self.carat, *grades, self.depth, self.table, self.x, self.y, self.z]


class Diamonds(BaseModel):
    instances: Annotated[list[Diamond], Field(min_length=1, max_length=1000)]


class Image(BaseModel):
    pixels: Annotated[list[Annotated[float, Field(ge=0, le=16)]], Field(min_length=64, max_length=64)]


class Images(BaseModel):
    instances: Annotated[list[Image], Field(min_length=1, max_length=1000)]


def open_session(path: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


app = FastAPI()
session = open_session(os.environ["MODEL"])


if os.environ["NAME"] == "diamond-price":

    @app.post("/predict")
    async def predict(asked: Diamonds) -> dict[str, Any]:
        rows = np.array([diamond.row() for diamond in asked.instances], np.float32)
        (prices,) = session.run(["prices"], {"features": rows})
        return {"predictions": prices.round(2).tolist()}

else:

    @app.post("/predict")
    async def read(asked: Images) -> dict[str, Any]:
        rows = np.array([image.pixels for image in asked.instances], np.float32)
        digits, probabilities = session.run(["digit", "probabilities"], {"pixels": rows})
        return {"digits": digits.tolist(), "predictions": probabilities.round(6).tolist()}
