# The service alone; its database is another container (docker-compose.yml) or a server of yours (DATABASE_URL).
# The libraries of the pages; npm is used here alone.
FROM python:3.11.16-slim-trixie AS libraries
WORKDIR /srv
COPY app/__init__.py app/
COPY app/web app/web
RUN python -m app.web.libraries

FROM python:3.11.16-slim-trixie

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1

WORKDIR /srv

# What changes seldom comes first. Installed in place: sql/ and migrations/ are read from beside app/.
COPY pyproject.toml constraints.txt README.md ./
COPY app/__init__.py app/
RUN pip install --constraint constraints.txt --editable .

COPY app app
COPY --from=libraries /srv/app/web/libraries app/web/libraries
COPY migrations migrations
COPY sql sql

# Nothing below /srv is writable: without DATABASE_URL the service stops at once, rather than keep readings in a
# container that is thrown away.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin energy \
    # The volume of docker-compose.yml takes its owner from here.
    && install --directory --owner=10001 --mode=0700 /keys
USER 10001

ENV ENERGY_HOST=0.0.0.0 \
    ENERGY_PORT=8000
EXPOSE 8000

HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; service = http.client.HTTPConnection('127.0.0.1', int(os.environ['ENERGY_PORT']), timeout=4); service.request('GET', '/readyz'); sys.exit(service.getresponse().status != 200)"]

CMD ["python", "-m", "app", "serve"]
