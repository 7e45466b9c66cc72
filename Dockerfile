# docker build --build-arg VERSION=1.2.3 -t alertrouter:1.2.3 .
ARG PYTHON=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
COPY requirements.txt ./
RUN python3 -m venv /opt/alertrouter \
 && /opt/alertrouter/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY requirements-build.txt ./
RUN python3 -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.txt
COPY . .
ARG VERSION=0.0.0
RUN SETUPTOOLS_SCM_PRETEND_VERSION_FOR_ALERTROUTER=${VERSION} /opt/build/bin/hatchling build -t wheel -d /tmp/dist \
 && /opt/alertrouter/bin/pip install --no-cache-dir --no-deps /tmp/dist/*.whl \
 && /opt/alertrouter/bin/python -m compileall -q /opt/alertrouter/lib \
 && /opt/alertrouter/bin/pip uninstall -q -y pip setuptools

FROM ${PYTHON}
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="alertrouter" \
      org.opencontainers.image.description="Stands between Prometheus Alertmanager and PagerDuty" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
RUN useradd --system --uid 65532 --home-dir /data --create-home alertrouter
COPY --from=build /opt/alertrouter /opt/alertrouter
ENV PATH=/opt/alertrouter/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ALERTROUTER_HOST=0.0.0.0
# Only /data is written to, where SQLite's file is by default; everything else may be read-only.
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python3", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('ALERTROUTER_PORT', '8080')}/healthz\", timeout=2)"]
ENTRYPOINT ["alertrouter"]
CMD ["serve"]
