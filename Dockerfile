# skewmon in a container. Mount a configuration, a key and known_hosts; nothing secret is baked in:
#   docker run --read-only --cap-drop=ALL --security-opt=no-new-privileges -p 10061:10061 \
#     -v /etc/skewmon:/etc/skewmon:ro -v skewmon:/var/lib/skewmon skewmon
# There is no ssh client in it: skewmon speaks SSH itself. For ssh_config inventories, for check without a
# configuration, and for a proxy command such as ssh -W, build on it: USER root, apt-get install openssh-client.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
# The index that pip is to use, where it is not the usual one.
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY skewmon ./skewmon
# What `skewmon assets` writes and the daemon serves.
COPY config ./config
COPY systemd ./systemd
COPY docs ./docs
RUN python3 -m venv /opt/skewmon && /opt/skewmon/bin/pip install --no-compile ".[apprise]"

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="skewmon" \
      org.opencontainers.image.description="Measures the clocks of a cluster over SSH and proves the skew" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/skewmon /opt/skewmon
# A name for the number, because ssh settings ask who the user is.
RUN useradd --uid 10001 --user-group --home-dir /var/lib/skewmon --create-home --shell /usr/sbin/nologin skewmon
ENV PATH=/opt/skewmon/bin:$PATH PYTHONDONTWRITEBYTECODE=1 XDG_STATE_HOME=/var/lib
USER 10001:10001
EXPOSE 10061
VOLUME /var/lib/skewmon
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s CMD ["skewmon", "health"]
ENTRYPOINT ["skewmon"]
# Inside a container the loopback address would reach nobody.
CMD ["run", "--config.file", "/etc/skewmon/skewmon.yml", "--web.listen-address", ":10061"]
