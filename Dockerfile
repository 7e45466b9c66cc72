FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.txt ./
RUN python -m venv /opt/alertrouter \
 && /opt/alertrouter/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY . .
RUN pip install --no-cache-dir build && python -m build --wheel --outdir /tmp/dist \
 && /opt/alertrouter/bin/pip install --no-cache-dir --no-deps /tmp/dist/*.whl

FROM python:3.11-slim
RUN useradd --system --uid 65532 --home-dir /data --create-home alertrouter
COPY --from=build /opt/alertrouter /opt/alertrouter
ENV PATH=/opt/alertrouter/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ALERTROUTER_HOST=0.0.0.0 \
    ALERTROUTER_DATABASE_URL=sqlite:////data/alertrouter.db
USER 65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('ALERTROUTER_PORT', '8080')}/healthz\", timeout=2)"]
ENTRYPOINT ["alertrouter"]
CMD ["serve"]
