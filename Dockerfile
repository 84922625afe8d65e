# DreamNet in a container. Build: docker build -t dreamnet .
# Your services run in it too: write `FROM dreamnet`, copy the app and dreamnet.toml into /app
# (docs/how-to/containers.md). Any base with glibc 2.31, Python 3.11 and its `venv` will do.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
# The lock first: a change of the code does not download everything again.
COPY requirements.lock requirements-node.lock ./
# psycopg, for a PostgreSQL by URL, stands only in the developers' lock; taken from there by hash.
RUN awk '/^[^ #]/ { wanted = /^psycopg/ } wanted' requirements.lock >postgres.lock \
    && python3 -m venv /opt/dreamnet \
    && /opt/dreamnet/bin/pip install --no-cache-dir --quiet --require-hashes --only-binary :all: \
       -r requirements-node.lock -r postgres.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
COPY examples examples
# What only builds or installs stays behind: the last line leaves neither uv, hatchling nor pip.
RUN /opt/dreamnet/bin/pip install --no-cache-dir --quiet --no-deps --no-build-isolation --no-index . \
    && /opt/dreamnet/bin/pip uninstall --quiet --yes \
       uv hatchling pathspec pluggy trove-classifiers setuptools pip

FROM ${BASE}
LABEL org.opencontainers.image.title="DreamNet" \
      org.opencontainers.image.description="A self-managing runtime for services" \
      org.opencontainers.image.licenses="Apache-2.0"
# Numeric, so that Kubernetes can see that it is not root; the group is root's for OpenShift's sake.
RUN install -d -m 0700 -o 10001 -g 0 /var/lib/dreamnet && install -d -m 0755 /app
COPY --from=build /opt/dreamnet /opt/dreamnet
COPY deploy/docker/healthcheck.py /usr/local/bin/dreamnet-healthcheck
ENV PATH=/opt/dreamnet/bin:$PATH \
    HOME=/var/lib/dreamnet \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2
WORKDIR /app
USER 10001:0
VOLUME /var/lib/dreamnet
EXPOSE 8080
# Liveness, not readiness: an orchestrator that kills what is unhealthy must not kill a node that
# only waits for its database. Raw socket, no site packages: 0.1 s of CPU instead of 0.5.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/dreamnet-healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["dreamnet"]
CMD ["up"]
