# syntax=docker/dockerfile:1
# The harness with the plugins that come with it. README.md has the commands: for CPUs, and with TORCH for a CUDA card.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim-bookworm

# cpu, or a build for CUDA such as cu126 or cu128; its wheels bring CUDA's libraries, and the host brings the driver.
ARG TORCH=cpu
# Extras of the package, with commas: diffusers,efficientnet,mnist.
ARG EXTRAS=""

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

# Records name the commit of the code; git reads it. Debian keeps only the last version of a package, so none can be pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

# PyTorch first: this layer is large, and stays when the harness changes. pyproject.toml says which versions fit.
# hadolint ignore=DL3013
RUN pip install torch torchvision --index-url https://download.pytorch.org/whl/${TORCH}

WORKDIR /opt/finetune-harness
COPY pyproject.toml README.md LICENSE ./
COPY harness harness
COPY plugins plugins
# hadolint ignore=DL3013
RUN pip install ".${EXTRAS:+[${EXTRAS}]}"

# Any user may run it (--user): caches go below a home that all can write to. Boards and runs are in the mounted folder.
ENV HOME=/home/harness
RUN mkdir -m 1777 ${HOME} && git config --system --add safe.directory '*'
WORKDIR /work

ENTRYPOINT ["harness"]
CMD ["--help"]
