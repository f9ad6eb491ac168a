# One image for `autos migrate`, `autos api` and `autos worker`. Everything that is installed comes from the lock files
# with its hash, and as a wheel: nothing is compiled, so no stage needs a compiler.

ARG PYTHON_IMAGE=python:3.11.17-slim-trixie@sha256:45037981b62b34b44602584fccbc4d884d5f7dc92c7ee86bb38a698a79fe1e51

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# The dependencies by themselves, so that a change of the code does not install them again.
COPY requirements.runtime.lock ./
RUN python -m venv --without-pip /opt/autos \
    && pip --python /opt/autos/bin/python install --require-hashes --only-binary :all: -r requirements.runtime.lock

# The build backend and what it stands on, out of the lock for development.
COPY requirements.lock ./
RUN awk '/^[^ #]/ { wanted = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } wanted' \
        requirements.lock > requirements.build.lock \
    && python -m venv --without-pip /opt/backend \
    && pip --python /opt/backend/bin/python install --require-hashes --only-binary :all: -r requirements.build.lock

# What may come along is said in .dockerignore.
COPY . ./
RUN /opt/backend/bin/python -m hatchling build -t wheel -d /dist \
    && pip --python /opt/autos/bin/python install --no-deps --no-index /dist/*.whl \
    && cp deploy/health.py /opt/autos/health.py


FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="autos" \
      org.opencontainers.image.licenses="MIT"
RUN pip uninstall --yes --quiet --root-user-action=ignore setuptools wheel pip \
    && useradd --system --uid 10001 --no-create-home --home-dir /srv --shell /usr/sbin/nologin autos
COPY --from=build /opt/autos /opt/autos
ENV PATH=/opt/autos/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /srv
# By its number, so that an engine can see that it is not root.
USER 10001
ENTRYPOINT ["autos"]
CMD ["--help"]
