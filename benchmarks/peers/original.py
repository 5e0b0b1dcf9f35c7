"""The original project's way to predict: each request reads the pickle of an rpy2.robjects lm, and goes by robjects."""

import os
import pickle
import tempfile
from pathlib import Path

from django.conf import settings

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
)

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.urls import path  # noqa: E402
from ninja import NinjaAPI  # noqa: E402
from rpy2 import robjects  # noqa: E402

data = robjects.r["read.csv"](os.environ["DATA"])
folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "modelr.pickle"
file.write_bytes(pickle.dumps(robjects.r["lm"](robjects.Formula("time ~ distance"), data=data)))

api = NinjaAPI()


@api.get("/predict/{distance}/")
def predict(request: HttpRequest, distance: float) -> float:
    """Read the model, make a data frame of one row, and let R predict."""
    model = pickle.loads(file.read_bytes())
    observation = robjects.DataFrame({"distance": robjects.FloatVector([distance])})
    return round(float(robjects.r["predict"](model, observation)[0]), 6)


urlpatterns = [path("", api.urls)]
application = get_wsgi_application()
