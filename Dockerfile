# The server with R, and the models trained. It needs a SECRET_KEY when it runs; docs/deploy.md has more.

# Debian's newest stable release, with its R 4.5 and Python 3.13.
FROM docker.io/library/debian:trixie-slim AS runtime
# Debian keeps only the newest build of a package, so a pinned one can't be installed any more after a security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 r-base-core \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1

FROM runtime AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends r-base-dev r-cran-svglite python3-dev python3-pip
COPY requirements.txt .
# For Redis, Application Insights and OpenTelemetry collectors; without the settings that name one, nothing of it is imported.
# For data that are larger than memory, 200 MB more, where --build-arg SCALE=1 asks for it: docs/scale.md.
COPY contrib/requirements-redis.txt contrib/requirements-scale.txt contrib/requirements-traces.txt contrib/
ARG SCALE
# RPY2_CFFI_MODE=API: without it, rpy2 that can't compile falls back to a slower way in silence.
RUN python3 -m venv --without-pip .venv \
    && RPY2_CFFI_MODE=API pip --python .venv/bin/python install --no-cache-dir -r requirements.txt \
        -r contrib/requirements-redis.txt -r contrib/requirements-traces.txt \
        ${SCALE:+-r contrib/requirements-scale.txt}
COPY . .
RUN find lm_app/static -type f -exec gzip -9 -n -k {} +
# Models are signed by a key of this build, which nobody has afterwards, or by yours: --secret id=env,src=.env. Only the
# public key stays. Django's own key has to be there, but training uses none; the server gets its own when it runs.
# hadolint ignore=SC2046
RUN --mount=type=secret,id=env \
    export SECRET_KEY=unused-in-training $(grep -s '^LM_[A-Z]*_KEY=' /run/secrets/env \
        || python -c 'from lm_app.store.signature import new_keys; print(new_keys())') \
    && echo "${LM_VERIFY_KEY:?}" >verify_key \
    && python manage.py runscript update_lm

FROM runtime
COPY --from=build /app /app
# Everything in /app belongs to root. R and gunicorn write to /tmp only: docker run --read-only --tmpfs /tmp works.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --start-period=30s --timeout=5s CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\") or 8000}/healthz', timeout=4)"]
CMD ["python", "-m", "ml_api"]
