# syntax=docker/dockerfile:1
# A Debian image with Python 3.11 and its venv module. Pin it where images are built for others: BASE_IMAGE=…@sha256:…
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
# cpu, or cuda: the same torch, a tenth or all of its size.
ARG VARIANT=cpu
# Where torch comes from; empty for pip's own index, whose build is the one with CUDA.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
# For machines that reach packages in their own way.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
WORKDIR /build
# What installs stays here: the environment that is copied has neither pip nor a compiler.
RUN python3 -m venv tools && python3 -m venv --without-pip --symlinks /opt/venv
COPY requirements.lock requirements.txt constraints.txt ./
RUN tools/bin/python -m pip --python /opt/venv install --no-cache-dir --require-hashes -r requirements.lock
# Its builds differ by index, so that no one hash fits; its version is pinned.
RUN grep '^torch==' requirements.txt > torch.txt \
 && index="$TORCH_INDEX_URL" && if [ "$VARIANT" = cuda ]; then index=; fi \
 && tools/bin/python -m pip --python /opt/venv install --no-cache-dir ${index:+--index-url "$index"} -r torch.txt -c constraints.txt \
 && find /opt/venv/lib -type d \( -path '*/torch/include' -o -path '*/torch/test' -o -path '*/torch/share' \) -prune -exec rm -r {} +
COPY pyproject.toml README.md ./
COPY src src
# The lock has setuptools in it: the build fetches nothing.
RUN tools/bin/python -m pip --python /opt/venv install --no-cache-dir --no-deps --no-build-isolation .

FROM ${BASE_IMAGE}
COPY --from=build /opt/venv /opt/venv
COPY models /app/models
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MODEL_PATH=/app/models
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["agent-reasoning"]
CMD ["serve"]
