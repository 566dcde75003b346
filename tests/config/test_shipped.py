"""Shipped files: the example has every key, and the template is the minimal example."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from skewmon.cli.main import run
from skewmon.config.effective import shown
from skewmon.config.loader import load, loads
from skewmon.config.schema import Config
from skewmon.config.template import first_configuration
from skewmon.export.web_config import SUPPORTED, load_web_config

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLE = CONFIG / "skewmon.example.yml"
MINIMAL = CONFIG / "skewmon.minimal.yml"


def schema_keys(schema: dict[str, Any]) -> set[str]:
    """Return every key of the schema."""
    return {key for spec in (schema, *schema["$defs"].values()) for key in spec.get("properties", {})}


def places(spec: dict[str, Any], value: object, models: dict[str, Any], model: str = "") -> Iterator[str]:
    """Yield every key of a document as ``model.key``: one name may mean something else elsewhere."""
    if "$ref" in spec:
        model = spec["$ref"].rpartition("/")[2]
        spec = models[model]
    for kind in ("anyOf", "oneOf"):
        for choice in spec.get(kind, ()):
            yield from places(choice, value, models, model)
    if isinstance(value, list):
        for item in value:
            yield from places(spec.get("items", {}), item, models, model)
    if isinstance(value, dict):
        for key, item in value.items():
            known = spec.get("properties", {}).get(key)
            if known is not None:
                yield f"{model}.{key}"
            further = known or spec.get("additionalProperties")
            yield from places(further if isinstance(further, dict) else {}, item, models, model)


def keys_of(value: object) -> Iterator[str]:
    """Yield every key of a structure."""
    if isinstance(value, dict):
        yield from value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys_of(item)


def test_the_example_has_every_key() -> None:
    """A key that is not in the example, in its own place, would have to be guessed."""
    schema = Config.model_json_schema()
    models = {"": schema, **schema["$defs"]}
    known = {f"{model}.{key}" for model, spec in models.items() for key in spec.get("properties", ())}
    assert known - set(places(schema, yaml.safe_load(EXAMPLE.read_text()), models)) == set()
    assert known >= {".web", "ClusterSpec.ssh", "NodeSpec.ssh", "SshSpec.host_key_alias"}


def test_the_manual_has_every_key() -> None:
    """In backticks, as a key or at the start of an example."""
    manual = (CONFIG.parent / "docs" / "configuration.md").read_text()
    keys = schema_keys(Config.model_json_schema())
    assert {key for key in keys if f"`{key}" not in manual} == set()


@pytest.mark.parametrize("path", [EXAMPLE, MINIMAL], ids=lambda path: path.name)
def test_the_examples_load(path: Path) -> None:
    """People copy them."""
    assert load(str(path)).clusters


def test_the_values_of_the_example_are_the_defaults() -> None:
    """If a key of the example has a default, its value is the default."""
    example, plain = load(str(EXAMPLE)), loads("clusters: {etcd: {nodes: [n1]}}", "f.yml")
    of_example, of_plain = example.clusters["etcd-prod"], plain.clusters["etcd"]
    for key in ("interval_ns", "status_interval_ns", "samples"):
        assert getattr(of_example, key) == getattr(of_plain, key)
    assert example.export == plain.export
    assert example.web.listen == plain.web.listen
    shown_example, shown_plain = yaml.safe_load(shown(example)), yaml.safe_load(shown(plain))
    assert shown_example["ssh"] == shown_plain["ssh"]


def test_the_template_is_the_minimal_example() -> None:
    """One text, two ways to it."""
    assert (
        first_configuration(("etcd[1-3].example.com",), "main", "skewmon.minimal.yml") == MINIMAL.read_text()
    )


@pytest.mark.parametrize("name", ["main", "no", "on", "12:30", "Zürich", 'a"b', "2026-01-01", "{x}", "null"])
def test_the_starter_takes_any_name(name: str) -> None:
    """Names that YAML would misread are quoted."""
    text = first_configuration(("n[1-3]", "root@[2001:db8::1]:22"), name, "f.yml")
    assert list(loads(text, "f.yml").clusters) == [name]


def test_the_web_example_loads_and_has_every_key() -> None:
    """It is read by the same code as a real one."""
    path = CONFIG / "web.example.yml"
    assert load_web_config(str(path)).users
    keys = set(keys_of(yaml.safe_load(path.read_text())))
    assert keys >= {*SUPPORTED, *(SUPPORTED["tls_server_config"] or ())}


@pytest.mark.parametrize("path", [EXAMPLE, MINIMAL], ids=lambda path: path.name)
def test_what_is_shown_means_the_same(path: Path) -> None:
    """The effective configuration is a configuration, and showing it again changes nothing."""
    text = shown(load(str(path)))
    again = loads(text, str(path))
    assert shown(again) == text
    for name, spec in load(str(path)).clusters.items():
        assert set(again.clusters[name].lines) == set(spec.lines)


def test_a_webhook_is_shown_without_its_path() -> None:
    """The path of a chat service's webhook is its password."""
    hook = "{url: 'https://chat.example.com/hook/s3cret?k=s3cret'}"
    text = f"clusters: {{etcd: {{nodes: [n1]}}}}\nalerts: {{webhooks: [{hook}]}}"
    out = shown(loads(text, "f.yml"))
    assert "https://chat.example.com/***" in out
    assert "s3cret" not in out


def command(*arguments: str) -> int:
    """Run `skewmon config …`."""
    return run(["config", *arguments])


def test_check_tells_every_fault_and_exits_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a fault, on standard error."""
    path = tmp_path / "skewmon.yml"
    path.write_text("wbe: {}\nclusters: {etcd: {nodes: [n1], samples: 0}}\n")
    assert command("check", str(path)) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"skewmon: {path}:1:1: wbe: unknown key (did you mean web?)",
        f"skewmon: {path}:2:41: clusters.etcd.samples: expected at least 1, found the number 0",
    ]


def test_a_reload_by_the_unit_ends_at_a_file_that_the_daemon_would_refuse(tmp_path: Path) -> None:
    """The check comes before the signal, and systemd ends a reload at the first command that fails."""
    lines = (CONFIG.parent / "systemd" / "skewmon.service").read_text().splitlines()
    check, signal = (line.split("=", 1)[1].split() for line in lines if line.startswith("ExecReload="))
    started = next(line for line in lines if line.startswith("ExecStart="))
    assert signal == ["/bin/kill", "-HUP", "$MAINPID"]
    assert check[-1] in started
    file = tmp_path / "skewmon.yml"
    for text, accepted in (("{n: {nodes: [a, b]}}", True), ("{n: {nodez: [a, b]}}", False)):
        file.write_text(f"clusters: {text}\n")
        assert (run([*check[1:-1], str(file)]) == 0) is accepted


def test_check_says_what_a_file_means(capsys: pytest.CaptureFixture[str]) -> None:
    """One paragraph that an operator can compare with the intention."""
    assert command("check", str(MINIMAL)) == 0
    assert capsys.readouterr().out == (
        f"{MINIMAL} is in order. Cluster main: 3 nodes, measured every 15s by as many exchanges as each "
        "needs; warning on a proven skew above 50ms for 1m, critical on a proven skew above 1s, warning on a "
        "step of more than 50ms, warning on a node that cannot be measured for 5m, warning on an "
        "unsynchronized clock for 15m and warning on an unknown skew for 10m. Alerts are shown and exported, "
        "and not sent. Page and metrics are served at 127.0.0.1:10061.\n"
    )


def test_check_looks_at_the_web_file_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A daemon that cannot serve is as useless as one that cannot measure."""
    (tmp_path / "web.yml").write_text("tls: {}\n")
    path = tmp_path / "skewmon.yml"
    path.write_text("web: {config_file: web.yml}\nclusters: {etcd: {nodes: [n1]}}\n")
    assert command("check", "--config.file", str(path)) == 3
    assert f"{tmp_path}/web.yml:1:1: tls is not supported" in capsys.readouterr().err


def test_show_prints_what_check_accepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output can be kept as a file."""
    assert command("show", str(EXAMPLE)) == 0
    path = tmp_path / "skewmon.yml"
    path.write_text(capsys.readouterr().out)
    assert command("check", str(path)) == 0


def test_schema_prints_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """Editors read it; unknown keys are refused there, too."""
    assert command("schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["additionalProperties"] is False
    assert schema_keys(schema) >= {"clusters", "nodes", "thresholds", "for", "connect_timeout"}


def test_init_writes_a_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second time it refuses, and leaves the file as it is."""
    path = tmp_path / "skewmon.yml"
    assert command("init", "etcd[1-3]", "--config.file", str(path), "--cluster", "etcd") == 0
    text = path.read_text()
    assert list(load(str(path)).clusters) == ["etcd"]
    assert command("init", "other", "--config.file", str(path)) == 3
    assert path.read_text() == text
    assert "the file exists and is left as it is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["n[3-1]", "--config.file", "-"], "runs backwards"),
        (["n1", "--config.file", "/no/such/place/skewmon.yml"], "no such file or directory"),
    ],
)
def test_init_tells_what_it_cannot_do(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad nodes and places that cannot be written are one line each."""
    assert command("init", *arguments) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
