# The server with everything it needs except a model: mount one at /models, or name a hub id.
#
#   docker build -t chat-llm-webui .                                              NVIDIA GPU (and CPU)
#   docker build -t chat-llm-webui:cpu --build-arg TORCH= --build-arg BASE=ubuntu:24.04 .   CPU only, gigabytes smaller
#   docker run --rm -p 127.0.0.1:8000:8000 -v chat-data:/data chat-llm-webui      then open http://127.0.0.1:8000/
#
# torch brings its own CUDA libraries, so the small "base" flavour of the CUDA image is enough.

ARG BASE=nvidia/cuda:13.0.3-base-ubuntu24.04

# Ubuntu has no Python 3.11; the official one runs there, as Debian 12 has an older C library than Ubuntu 24.04.
FROM python:3.11-slim-bookworm AS python

FROM ${BASE}

RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates libbz2-1.0 libexpat1 libffi8 libgomp1 liblzma5 libreadline8t64 libsqlite3-0 libssl3t64 libuuid1 \
        make zlib1g \
    && rm -rf /var/lib/apt/lists/*
COPY --from=python /usr/local /usr/local
RUN ldconfig && python3.11 -c "import bz2, ctypes, lzma, sqlite3, ssl, venv, zlib"

# Not root: a parser that breaks out of its sandbox finds nothing to write but the data folder.
RUN useradd --uid 10001 --create-home app && install --directory --owner=app --group=app --mode=0700 /data

WORKDIR /app

# The commands of `make run`, before the code is copied: a change of the code installs nothing again.
# TORCH empty: the Makefile takes the CPU build, because no NVIDIA driver is there while an image is built.
ARG TORCH=torch==2.13.0
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY Makefile pyproject.toml constraints.txt README.md ./
RUN make .venv/run.stamp PYTHON=python3.11 TORCH="${TORCH}"

COPY . .
RUN .venv/bin/python -m compileall -q api assistant cli configs generation knowledge webui

# In a container the server must answer from outside it; who may reach it, the published port decides.
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CHAT_LLM_WEBUI_LISTEN=true \
    CHAT_LLM_WEBUI_DATA_DIR=/data \
    HF_HOME=/data/huggingface \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

USER app
VOLUME /data
EXPOSE 8000

# Without a proxy, whatever the environment says: the server is in this container.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ.get('CHAT_LLM_WEBUI_PORT', '8000') + '/healthz', timeout=4)"]

CMD ["python", "webui/webui_server.py"]
