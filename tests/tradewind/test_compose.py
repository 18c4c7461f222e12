"""docker-compose.yml: valid, true to our settings and commands, and as closed as it says.

It can't be started on every machine, so all that can be checked without a Docker daemon is checked here.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from jsonschema import Draft202012Validator

from streams.stages import STAGES
from tests.tradewind.deployment import (
    DEPLOY,
    ROOT,
    NoSuchCommand,
    compose,
    dockerfile,
    example_environment,
    filled,
    resolve,
    services,
    variables,
)
from tradewind.assembly import remote_settings
from tradewind.settings import Settings

FILE = compose()
SERVICES = services()
OURS = {name: service for name, service in SERVICES.items() if service.get("build") == "."}
ONE_SHOTS = {
    name
    for service in SERVICES.values()
    for name, wanted in service.get("depends_on", {}).items()
    if wanted["condition"] == "service_completed_successfully"
}
SETTINGS = {f"TRADEWIND_{name.upper()}" for name in Settings.model_fields}
LOOPBACK = re.compile(r"127\.0\.0\.1:\d+:\d+")

each_service = pytest.mark.parametrize("name", SERVICES)
each_of_ours = pytest.mark.parametrize("name", OURS)


def schema_errors(document: dict[str, Any]) -> list[str]:
    schema = json.loads((ROOT / "tests/data/compose-spec.json").read_text(encoding="utf-8"))
    return [error.json_path for error in Draft202012Validator(schema).iter_errors(document)]


def test_the_file_follows_the_compose_specification() -> None:
    assert schema_errors(FILE) == []


def test_the_specification_notices_a_misspelt_key() -> None:
    wrong = copy.deepcopy(FILE)
    wrong["services"]["sink"]["depend_on"] = wrong["services"]["sink"].pop("depends_on")
    assert schema_errors(wrong) == ["$.services.sink"]


def test_docker_compose_itself_accepts_it() -> None:
    installed = [command for command in (["docker", "compose"], ["docker-compose"]) if shutil.which(command[0])]
    usable = [command for command in installed if run([*command, "version"]).returncode == 0]
    if not usable:
        pytest.skip("no docker compose on this machine; the checks against its schema have run")
    environment = ["--env-file", str(DEPLOY / ".env.example")]
    done = run([*usable[0], "--project-directory", str(ROOT), *environment, "config", "--quiet"])
    assert done.returncode == 0, done.stderr


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=ROOT)


@each_of_ours
def test_each_setting_in_it_is_ours_and_has_a_value_that_we_take(name: str) -> None:
    environment = {
        variable: value for variable, value in OURS[name]["environment"].items() if "SECRETS" not in variable
    }
    assert {variable for variable in environment if variable.startswith("TRADEWIND_")} <= SETTINGS
    Settings(**{variable.removeprefix("TRADEWIND_").lower(): value for variable, value in environment.items()})


def test_the_image_sets_only_what_is_a_setting() -> None:
    named = {word for keyword, rest in dockerfile() if keyword == "ENV" for word in re.findall(r"TRADEWIND_\w+", rest)}
    assert named
    assert named <= SETTINGS


def test_the_example_file_names_exactly_the_variables_that_it_reads() -> None:
    assert set(example_environment(commented=True)) == variables(FILE)
    assert {name for name in variables(FILE) if name.startswith("TRADEWIND_")} <= SETTINGS


def test_what_must_be_set_has_no_default() -> None:
    with pytest.raises(KeyError, match="IMAGE_TAG"):
        filled(FILE, {})


@each_of_ours
def test_each_command_exists_with_its_options(name: str) -> None:
    parameters = resolve(OURS[name]["command"])
    assert set(parameters.get("agents", STAGES[0]).split(",")) <= set(STAGES)


@pytest.mark.parametrize("arguments", [["topics", "make"], ["worker", "--agent", "answer"], ["sink", "now"]])
def test_a_command_that_does_not_exist_is_noticed(arguments: list[str]) -> None:
    with pytest.raises(NoSuchCommand):
        resolve(arguments)


def test_no_secret_stands_in_it() -> None:
    telling = re.compile("PASSWORD|SECRET|TOKEN|CREDENTIAL|PRIVATE")
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if telling.search(variable):
                assert str(value).startswith("/run/secrets"), (name, variable)
    for secret in FILE["secrets"].values():
        assert set(secret) == {"file"}
        assert secret["file"].startswith("deploy/secrets/")
    assert (DEPLOY / "secrets/.gitignore").read_text(encoding="utf-8").split() == ["*", "!.gitignore"]


@each_service
def test_each_image_is_pinned(name: str) -> None:
    image = SERVICES[name]["image"]
    if "build" not in SERVICES[name]:
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)+", image), image
        return
    folder = ROOT / SERVICES[name]["build"]
    stages = [rest.split() for keyword, rest in dockerfile(folder / "Dockerfile") if keyword == "FROM"]
    names = {words[-1] for words in stages if "AS" in words}
    for words in stages:
        assert words[0] in names or re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+[\w.-]*", words[0]), words[0]


@each_service
def test_each_service_has_a_health_check_or_comes_to_an_end(name: str) -> None:
    service = SERVICES[name]
    check = service.get("healthcheck", {})
    if name in ONE_SHOTS:
        assert check == {"disable": True}
        assert service["restart"].startswith("on-failure")
        return
    from_image = "build" in service and "HEALTHCHECK" in dict(dockerfile(ROOT / service["build"] / "Dockerfile"))
    assert "test" in check or from_image


@each_service
def test_each_dependency_waits_for_what_its_service_can_reach(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in ONE_SHOTS else "service_healthy"
        optional = {"required": False} if "profiles" in SERVICES[other] else {}
        assert wanted == {"condition": expected} | optional
        assert set(SERVICES[name]["networks"]) & set(SERVICES[other]["networks"])


@each_service
def test_no_service_has_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    user = int(str(service["user"]).partition(":")[0])
    assert user > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not set(service) & {"privileged", "cap_add", "network_mode", "pid", "devices"}


@each_service
def test_what_is_not_published_is_on_internal_networks_only(name: str) -> None:
    outside = {network for network, options in FILE["networks"].items() if not options.get("internal")}
    ports = SERVICES[name].get("ports", [])
    assert all(LOOPBACK.fullmatch(port) for port in ports)
    assert bool(ports) == bool(outside & set(SERVICES[name]["networks"]))


@each_service
def test_what_runs_on_has_limits(name: str) -> None:
    if name not in ONE_SHOTS:
        assert set(SERVICES[name]["deploy"]["resources"]["limits"]) == {"cpus", "memory"}


@each_service
def test_each_mounted_file_is_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.partition(":")[0]
        assert source in FILE["volumes"] or (ROOT / source).exists(), volume


def test_the_model_has_a_thread_for_each_core_of_its_container() -> None:
    worker = FILE["services"]["worker"]
    assert worker["environment"]["TRADEWIND_MODEL_THREADS"] == worker["deploy"]["resources"]["limits"]["cpus"]


def test_the_model_server_and_prometheus_are_there_only_when_they_are_asked_for() -> None:
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "vllm": ["vllm"],
        "prometheus": ["monitoring"],
    }


def test_prometheus_looks_where_worker_and_sink_serve_their_metrics() -> None:
    configuration = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    (scrape,) = configuration["scrape_configs"]
    (where,) = scrape["dns_sd_configs"]
    (port,) = re.findall(r"TRADEWIND_METRICS_PORT=(\d+)", " ".join(rest for _, rest in dockerfile()))
    assert where["port"] == int(port)
    for name in where["names"]:
        assert set(SERVICES[name]["networks"]) & set(SERVICES["prometheus"]["networks"])


def test_the_worker_meets_the_model_server_as_the_example_file_says() -> None:
    address = re.search(r"^# TRADEWIND_MODEL_URL=(.+)$", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.M)
    assert address is not None
    chosen = example_environment() | {"TRADEWIND_MODEL_URL": address[1], "TRADEWIND_MODEL": "large"}
    services = filled(FILE["services"], chosen)
    worker, vllm = services["worker"], services["vllm"]
    values = {name.removeprefix("TRADEWIND_").lower(): value for name, value in worker["environment"].items()}
    remote = remote_settings(Settings(**values))
    assert remote is not None
    assert remote.base_url == "http://vllm:8000/v1"
    assert f"--served-model-name={remote.model}" in vllm["command"]
    assert vllm["command"][0] == "/models/large"
    assert set(worker["networks"]) & set(vllm["networks"])


def test_without_a_server_the_worker_runs_its_own_model() -> None:
    values = {name.removeprefix("TRADEWIND_").lower(): each for name, each in SERVICES["worker"]["environment"].items()}
    settings = Settings(**values)
    assert remote_settings(settings) is None
    assert settings.model is None


def test_no_checkpoint_is_committed_by_accident() -> None:
    assert (DEPLOY / "models/.gitignore").read_text(encoding="utf-8").split() == ["*", "!.gitignore"]


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder with what deploy/make-secrets.sh makes."""
    subprocess.run(["sh", str(DEPLOY / "make-secrets.sh"), str(tmp_path)], check=True, capture_output=True)
    return tmp_path


def test_every_secret_is_made(secrets: Path) -> None:
    wanted = {Path(secret["file"]).name for secret in FILE["secrets"].values()}
    assert wanted <= {path.name for path in secrets.iterdir()}
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    passwords = [path.read_text() for path in secrets.iterdir() if path.suffix != ".xml"]
    assert all(re.fullmatch("[0-9a-f]{48}", password) for password in passwords)
    assert len(set(passwords)) == len(passwords)


def test_secrets_that_are_there_stay(secrets: Path) -> None:
    (secrets / "clickhouse_grafana").unlink()
    before = {path.name: path.read_text() for path in secrets.iterdir() if path.suffix != ".xml"}
    subprocess.run(["sh", str(DEPLOY / "make-secrets.sh"), str(secrets)], check=True, capture_output=True)
    after = {path.name: path.read_text() for path in secrets.iterdir() if path.suffix != ".xml"}
    assert after.items() > before.items()


def test_clickhouse_gets_the_hash_of_each_account_that_it_has(secrets: Path) -> None:
    accounts = ElementTree.parse(DEPLOY / "clickhouse/users.xml").getroot().find("users")
    hashes = ElementTree.parse(secrets / "clickhouse_users.xml").getroot().find("users")
    assert accounts is not None
    assert hashes is not None
    kept = {account.tag for account in accounts if account.get("remove") is None}
    assert kept == {account.tag for account in hashes}
    for account in hashes:
        password = (secrets / f"clickhouse_{account.tag}").read_bytes()
        assert account.findtext("password_sha256_hex") == hashlib.sha256(password).hexdigest()
    assert "password" not in {element.tag for element in accounts.iter()}


def test_nobody_gets_in_without_a_password() -> None:
    accounts = ElementTree.parse(DEPLOY / "clickhouse/users.xml").getroot().find("users")
    assert accounts is not None
    assert [account.tag for account in accounts if account.get("remove") == "remove"] == ["default"]


def test_the_sink_finds_its_password_and_its_account(
    secrets: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = SERVICES["sink"]
    mounted = tmp_path_factory.mktemp("run-secrets")
    for name in sink["secrets"]:
        shutil.copy(secrets / Path(FILE["secrets"][name]["file"]).name, mounted / name)
    assert sink["environment"]["TRADEWIND_SECRETS_DIR"] == "/run/secrets"
    for name, value in (sink["environment"] | {"TRADEWIND_SECRETS_DIR": mounted}).items():
        monkeypatch.setenv(name, str(value))
    settings = Settings()
    assert settings.clickhouse_password.get_secret_value() == (secrets / "clickhouse_tradewind").read_text()
    accounts = ElementTree.parse(DEPLOY / "clickhouse/users.xml").getroot().find("users")
    assert accounts is not None
    granted = accounts.findtext(f"{settings.clickhouse_username}/grants/query")
    assert granted == f"GRANT ALL ON {settings.clickhouse_database}.*"


def test_clickhouse_configuration_is_well_formed() -> None:
    assert ElementTree.parse(DEPLOY / "clickhouse/config.xml").getroot().tag == "clickhouse"
