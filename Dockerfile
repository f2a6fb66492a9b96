# Two images. The last stage is the main one: the operator (python -m perfrun.controller), the
# workers (python -m perfrun.worker) and the command line (perfrun). `--target browser` makes that
# of workers that visit pages. BASE is any Debian-like image with Python 3.11 or newer.
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS dependencies
# Where BASE has no pip of its own (Debian's python3), python3-venv brings it.
RUN python3 -m venv /opt/perfrun
WORKDIR /src
# Dependencies first: they change less often than the code, and this layer is kept.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir -p operator/perfrun \
 && printf '__version__ = "0"\n' > operator/perfrun/__init__.py \
 && /opt/perfrun/bin/pip install --no-cache-dir --constraint constraints.txt ".[operator,sql]" \
 && /opt/perfrun/bin/pip uninstall --yes perfrun

FROM dependencies AS main
RUN /opt/perfrun/bin/pip uninstall --yes pip \
 && /opt/perfrun/bin/python -m compileall -q /opt/perfrun/lib

# Our own code is a layer of its own: it is small, and all that a new version changes in most cases.
FROM dependencies AS own
COPY operator operator
RUN /opt/perfrun/bin/pip install --no-cache-dir --no-deps --prefix=/own . \
 && /opt/perfrun/bin/python -m compileall -q -s /own -p /opt/perfrun /own/lib

FROM dependencies AS main-browser
RUN /opt/perfrun/bin/pip install --no-cache-dir --constraint constraints.txt ".[browser]" \
 && /opt/perfrun/bin/pip uninstall --yes perfrun pip \
 && /opt/perfrun/bin/python -m compileall -q /opt/perfrun/lib

FROM ${BASE} AS browser
LABEL org.opencontainers.image.title="perfrun-browser" \
      org.opencontainers.image.licenses="Apache-2.0"
# Debian's Chromium, and letters for what pages are written in.
RUN apt-get update \
 && apt-get install -y --no-install-recommends chromium fonts-dejavu-core fonts-noto-core \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY --from=main-browser /opt/perfrun /opt/perfrun
COPY --from=own /own /opt/perfrun
# Pods may make no namespaces of users, which Chromium's own sandbox is made of: the pod is its
# sandbox (docs/how-to/pages.md). What it keeps at home goes where something may be written.
ENV PATH=/opt/perfrun/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OPENBLAS_NUM_THREADS=1 \
    PYDANTIC_DISABLE_PLUGINS=1 \
    PERFRUN_CHROMIUM_SANDBOX=off \
    HOME=/tmp
USER 65532:65532
# Where users mount their files. Pods say by themselves which program of the image they run.
WORKDIR /work
ENTRYPOINT ["perfrun"]
CMD ["--help"]

FROM ${BASE}
LABEL org.opencontainers.image.title="perfrun" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=main /opt/perfrun /opt/perfrun
COPY --from=own /own /opt/perfrun
ENV PATH=/opt/perfrun/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OPENBLAS_NUM_THREADS=1 \
    PYDANTIC_DISABLE_PLUGINS=1
USER 65532:65532
# Where users mount their files. Pods say by themselves which program of the image they run.
WORKDIR /work
ENTRYPOINT ["perfrun"]
CMD ["--help"]
