"""A diamond's measurements, as a listing states them.

They are what ml-predict prices by, so names, grades and bounds are the same there; but services share no code
and no schema: each refuses for itself what it cannot use, and what crosses between them is HTTP.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from shared.schemas import WireIn

# Each in order of quality, worst first.
Cut = Literal["Fair", "Good", "Very Good", "Premium", "Ideal"]
Color = Literal["J", "I", "H", "G", "F", "E", "D"]
Clarity = Literal["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"]

MAX_CARAT = 20


class DiamondFeatures(WireIn):
    """One round diamond. Strict, for `"0.5"` or `true` as a weight means that something else is wrong too."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, frozen=True)

    carat: Annotated[
        float, Field(gt=0, le=MAX_CARAT, description="Weight in carats (0.2 g)", examples=[0.71])
    ]
    cut: Annotated[Cut, Field(description="Quality of the cut")]
    color: Annotated[Color, Field(description="Colour grade; D is colourless")]
    clarity: Annotated[Clarity, Field(description="Clarity grade; IF is flawless inside")]
    depth: Annotated[
        float, Field(ge=30, le=90, description="Height as % of the mean diameter", examples=[61.8])
    ]
    table: Annotated[
        float, Field(ge=30, le=100, description="Width of the top facet as % of the diameter", examples=[57])
    ]
    x: Annotated[float, Field(gt=0, le=30, description="Length in mm", examples=[5.74])]
    y: Annotated[float, Field(gt=0, le=30, description="Width in mm", examples=[5.77])]
    z: Annotated[float, Field(gt=0, le=20, description="Height in mm", examples=[3.56])]
