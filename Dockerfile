# Holdfast in a container: App Engine flexible, Cloud Run, Kubernetes and a laptop take the same one.
FROM python:3.14-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PORT=8080
WORKDIR /app

# Hashes are checked and only wheels are taken, so the image never holds a compiler.
COPY requirements.lock ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        --require-hashes --only-binary=:all: --requirement requirements.lock

COPY LICENSE holdfast.py ./
COPY shared/ shared/
COPY server/ server/
COPY bots/ bots/
COPY games/ games/
COPY client/ client/
RUN python -m compileall -q holdfast.py shared server bots games \
    && install --directory --owner=nobody --group=nogroup --mode=0700 /app/var

# The server writes only to /app/var: mount a volume there to keep matches beyond the container.
USER nobody
EXPOSE 8080

# The exec form makes the supervisor process 1, so that SIGTERM reaches it and drains the matches.
CMD ["python", "-m", "server"]
