# One image: the operator (python -m perfrun.controller), the workers (python -m perfrun.worker)
# and the command line (perfrun). BASE is any Debian-like image with Python 3.11 or newer.
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS build
# Where BASE has no pip of its own (Debian's python3), python3-venv brings it.
RUN python3 -m venv /opt/perfrun
WORKDIR /src
# Dependencies first: they change less often than the code, and this layer is kept.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir -p operator/perfrun \
 && printf '__version__ = "0"\n' > operator/perfrun/__init__.py \
 && /opt/perfrun/bin/pip install --no-cache-dir --constraint constraints.txt ".[operator,sql]" \
 && /opt/perfrun/bin/pip uninstall --yes perfrun
COPY operator operator
RUN /opt/perfrun/bin/pip install --no-cache-dir --no-deps . \
 && /opt/perfrun/bin/pip uninstall --yes pip \
 && /opt/perfrun/bin/python -m compileall -q /opt/perfrun/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="perfrun" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/perfrun /opt/perfrun
ENV PATH=/opt/perfrun/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
ENTRYPOINT []
CMD ["perfrun", "--help"]
