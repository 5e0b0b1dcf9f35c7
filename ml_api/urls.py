"""The URLs: two pages, and the API."""

from django.conf import settings
from django.urls import path

from lm_app import views
from ml_api.api import api

urlpatterns = [
    path("lm/", api.urls),  # its routes start with api, so that /lm/api is one, too
    path("", views.index, name="index"),
    path("lm", views.main_page, name="main_page"),
]
if settings.LM_METRICS != "off":
    from ml_api.observe.metrics import metrics

    urlpatterns.append(path("metrics", metrics))
handler400 = "ml_api.problems.bad_request"
handler404 = "ml_api.problems.not_found"
handler500 = "ml_api.problems.server_error"
