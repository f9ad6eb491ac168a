# One image for `autos migrate`, `autos api` and `autos worker`. The dependencies come from the lock file with their
# hashes, as wheels: nothing is compiled, so no stage needs a compiler. The service itself is copied as a tree.

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

# The tree. `.dockerignore` lists what belongs to it.
COPY . /opt/autos/app

# The environment's Python finds the tree through a .pth file, and `autos` starts from it. Compiled here, because the
# user of the final image cannot write; readable whatever the umask of the checkout was.
RUN printf '%s\n' /opt/autos/app /opt/autos/app/client \
        > "$(/opt/autos/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/autos.pth" \
    && printf '%s\n' '#!/opt/autos/bin/python' 'from cli.main import main' 'main()' > /opt/autos/bin/autos \
    && chmod 755 /opt/autos/bin/autos \
    && cp /opt/autos/app/deploy/health.py /opt/autos/health.py \
    && /opt/autos/bin/python -m compileall -q /opt/autos/app \
    && chmod -R a+rX /opt/autos/app /opt/autos/health.py


FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="autos" \
      org.opencontainers.image.licenses="MIT"
# Pango and a font lay out HTML documents in bundles.
RUN apt-get update \
    && apt-get install --yes --quiet --no-install-recommends \
        fonts-dejavu-core libharfbuzz-subset0 libpango-1.0-0 libpangoft2-1.0-0 \
    && rm -rf /var/lib/apt/lists/*
RUN pip uninstall --yes --quiet --root-user-action=ignore setuptools wheel pip \
    && useradd --system --uid 10001 --no-create-home --home-dir /srv --shell /usr/sbin/nologin autos \
    # A volume that is mounted there has its owner.
    && install -d -m 0700 -o autos -g autos /scratch
# The certificates of the court and of webhooks' receivers are checked against these. The base image has them.
RUN test -s /etc/ssl/certs/ca-certificates.crt
COPY --from=build /opt/autos /opt/autos
ENV PATH=/opt/autos/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /srv
# By its number, so that an engine can see that it is not root.
USER 10001
ENTRYPOINT ["autos"]
CMD ["--help"]
