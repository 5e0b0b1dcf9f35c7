"""The peer in Python with R's formulas: FastAPI and statsmodels."""

import os

import pandas
import statsmodels.formula.api
from fastapi import FastAPI
from pydantic import BaseModel

model = statsmodels.formula.api.ols("time ~ distance", pandas.read_csv(os.environ["DATA"])).fit()
app = FastAPI()


class Prediction(BaseModel):
    """What is answered."""

    fit: float


@app.get("/predict/{distance}")
def predict(distance: float) -> Prediction:
    """In FastAPI's pool of threads: its way for what computes."""
    return Prediction(fit=model.predict({"distance": [distance]})[0])


@app.get("/predict_async/{distance}")
async def predict_async(distance: float) -> Prediction:
    """In the event loop, which waits meanwhile: the fastest way there is."""
    return Prediction(fit=model.predict({"distance": [distance]})[0])
