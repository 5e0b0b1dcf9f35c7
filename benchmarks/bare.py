"""A bare process with Django, Ninja and R started: the memory that nobody who uses the three can do without."""

import sys

from django.conf import settings

settings.configure(ROOT_URLCONF=__name__)

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from ninja import NinjaAPI  # noqa: E402
from rpy2 import rinterface  # noqa: E402

urlpatterns = [path("", NinjaAPI().urls)]
get_wsgi_application()
rinterface.initr()
print("started", flush=True)
sys.stdin.read()  # until the measuring is over
