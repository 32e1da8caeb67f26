# The gateway, incumbent-server, with every driver: SQLite, PostgreSQL, etcd, Consul.
#
#   docker build -t incumbent-server .
#   docker run --read-only --cap-drop ALL -p 127.0.0.1:7400:7400 -v elections:/var/lib/incumbent incumbent-server
#
# Tags move: whoever needs the same image again pins both by the digest that they have checked.
FROM python:3.13-slim-bookworm AS build
WORKDIR /source
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# What it runs on, then what builds our own wheels: both locked by hash, nothing built from source.
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN python -m venv /opt/incumbent \
    && /opt/incumbent/bin/pip install --only-binary :all: --require-hashes -r requirements/runtime.txt
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --only-binary :all: --require-hashes -r requirements/build.txt

COPY clients/python clients/python
COPY backends backends
COPY server server
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels \
        ./clients/python ./backends ./server \
    && /opt/incumbent/bin/pip install --no-deps --no-index /wheels/*.whl \
    && /opt/incumbent/bin/pip uninstall --yes pip

# The comparison of stores, for `docker compose --profile compare`: all of the above, and what its
# report is made with.
FROM build AS compare
COPY requirements/compare.txt requirements/
RUN /opt/build/bin/pip --python /opt/incumbent install --only-binary :all: --require-hashes \
        -r requirements/compare.txt
COPY bench bench
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /compare ./bench \
    && /opt/build/bin/pip --python /opt/incumbent install --no-deps --no-index /compare/*.whl \
    && install -d -m 0700 -o 10001 -g 10001 /results
ENV PATH=/opt/incumbent/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp
USER 10001:10001
WORKDIR /results
VOLUME /results
ENTRYPOINT ["incumbent-compare", "--out=/results", "--folder=/results"]

# The gateway: the last stage, so that it is what a build without --target makes.
FROM python:3.13-slim-bookworm
RUN groupadd --gid 10001 incumbent \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/incumbent \
        --shell /usr/sbin/nologin incumbent \
    && install -d -m 0700 -o 10001 -g 10001 /var/lib/incumbent
COPY --from=build /opt/incumbent /opt/incumbent

# Every address, as the container is its own host: who may come is said where ports are published.
# There is no authentication and no TLS yet, so publish to 127.0.0.1 or to a network that you trust.
ENV PATH=/opt/incumbent/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    XDG_STATE_HOME=/var/lib \
    INCUMBENT_LISTEN=0.0.0.0:7400 \
    INCUMBENT_HTTP=0.0.0.0:7401
USER 10001:10001
# The default store, a SQLite file. Nothing else is written.
VOLUME /var/lib/incumbent
EXPOSE 7400 7401
STOPSIGNAL SIGTERM
# Whether it is alive. Not /ready: a gateway whose store is away recovers by itself.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7401/live', timeout=2)"]
ENTRYPOINT ["incumbent-server"]
