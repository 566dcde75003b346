"""The compose file and the Kubernetes manifest: valid, and what they mount exists and loads."""

import subprocess
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from skewmon.config.loader import loads

CONFIG = Path(__file__).parents[2] / "config"
MANIFEST = list(yaml.safe_load_all((CONFIG / "kubernetes/skewmon.yml").read_text()))


def test_compose_accepts_its_file_and_every_mounted_file_is_shipped():
    """Directories that the user makes are the exception."""
    done = subprocess.run(
        ["docker-compose", "config"],
        cwd=CONFIG / "compose",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    assert set(services) == {"skewmon", "prometheus", "alertmanager", "grafana"}
    mounts = [str(mount).split(":") for service in services.values() for mount in service["volumes"]]
    sources = {Path(source) for source, *_ in mounts if source.startswith("/")}
    own = {CONFIG / "compose/etc", CONFIG / "compose/state"}
    assert own < sources
    assert [source for source in sources - own if not source.exists()] == []


def test_prometheus_of_compose_scrapes_skewmon_under_the_job_of_the_rules(tmp_path):
    """With the shipped rules beside it, as the compose file mounts them."""
    for file in ("compose/prometheus.yml", "prometheus/skewmon.rules.yml"):
        (tmp_path / Path(file).name).write_text((CONFIG / file).read_text())
    subprocess.run(["promtool", "check", "config", str(tmp_path / "prometheus.yml")], check=True)
    (job,) = yaml.safe_load((tmp_path / "prometheus.yml").read_text())["scrape_configs"]
    assert job["job_name"] == "skewmon"


@pytest.mark.parametrize("resource", MANIFEST, ids=lambda one: one["kind"])
def test_every_resource_is_valid(resource):
    """By the schema of Kubernetes itself; unknown keys are refused."""
    kubernetes_validate.validate(resource, "1.30", strict=True)


def test_the_configuration_in_the_manifest_loads():
    """Its paths are those of the mounts."""
    (config_map,) = (one for one in MANIFEST if one["kind"] == "ConfigMap")
    (deployment,) = (one for one in MANIFEST if one["kind"] == "Deployment")
    config = loads(config_map["data"]["skewmon.yml"], "/etc/skewmon/skewmon.yml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert {"/etc/skewmon", "/etc/skewmon-ssh", "/var/lib/skewmon"} == set(mounts)
    assert str(config.web.listen) == ":10061"


def test_the_image_has_every_directory_that_the_wheel_carries():
    """Otherwise the wheel cannot be built in it."""
    dockerfile = (CONFIG.parent / "Dockerfile").read_text()
    project = tomllib.loads((CONFIG.parent / "pyproject.toml").read_text())
    carried = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    allowed = (CONFIG.parent / ".dockerignore").read_text().splitlines()
    assert carried
    for directory in ("skewmon", *carried):
        assert f"COPY {directory} ./{directory}\n" in dockerfile, directory
        assert f"!{directory}" in allowed
