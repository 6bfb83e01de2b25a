# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
# On machines without a GPU, point pip at an index that serves the CPU build of torch: it is a tenth of the size.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements.txt constraints.txt ./
RUN /opt/venv/bin/pip install --no-cache-dir -r requirements.txt -c constraints.txt
COPY pyproject.toml README.md ./
COPY src src
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
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
