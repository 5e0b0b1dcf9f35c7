"""The peer in Python: FastAPI and scikit-learn."""

import csv
import os

from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.linear_model import LinearRegression

with open(os.environ["DATA"], encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
model = LinearRegression().fit([[float(row["distance"])] for row in rows], [float(row["time"]) for row in rows])
app = FastAPI()


class Prediction(BaseModel):
    """What is answered."""

    fit: float


@app.get("/predict/{distance}")
def predict(distance: float) -> Prediction:
    """In FastAPI's pool of threads: its way for what computes."""
    return Prediction(fit=model.predict([[distance]])[0])


@app.get("/predict_async/{distance}")
async def predict_async(distance: float) -> Prediction:
    """In the event loop, which waits meanwhile: the fastest way there is."""
    return Prediction(fit=model.predict([[distance]])[0])
