"""The manifests hold Kubernetes' schemas, the restricted pod standard and what DreamNet needs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from manifests import FOLDER, KUSTOMIZATION, container, manifests, pod, settings_text

from dreamnet.model.settings import load_settings

STOP_MARGIN = timedelta(seconds=30)


@pytest.mark.parametrize("version", ["1.31", "1.37"])
@pytest.mark.parametrize("name", sorted(manifests()))
def test_each_manifest_holds_the_schema_strictly(name: str, version: str) -> None:
    kubernetes_validate.validate(manifests()[name], version, strict=True)


def test_the_check_refuses_an_unknown_field_and_a_wrong_type() -> None:
    for broken in ({"replica": 1}, {"replicas": "one"}):
        deployment = manifests()["deployment.yaml"]
        deployment["spec"] |= broken
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(deployment, "1.37", strict=True)


def test_the_kustomization_names_every_manifest() -> None:
    named = yaml.safe_load(KUSTOMIZATION.read_text())["resources"]
    assert sorted(named) == sorted(manifests())


def test_the_pod_holds_the_restricted_standard() -> None:
    whole, own = pod()["securityContext"], container()["securityContext"]
    assert whole["runAsNonRoot"] is True
    assert whole["runAsUser"] > 0
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own["allowPrivilegeEscalation"] is False
    assert own["readOnlyRootFilesystem"] is True
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert pod()["automountServiceAccountToken"] is False
    volumes = {key for volume in pod()["volumes"] for key in volume if key != "name"}
    assert volumes <= {"persistentVolumeClaim", "configMap", "emptyDir"}


def test_one_replica_is_recreated_and_not_evicted() -> None:
    spec = manifests()["deployment.yaml"]["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    assert manifests()["disruption-budget.yaml"]["spec"]["maxUnavailable"] == 0


def test_probes_ask_what_they_should() -> None:
    asked = {
        name: container()[f"{name}Probe"]["httpGet"]
        for name in ("startup", "liveness", "readiness")
    }
    paths = {name: probe["path"] for name, probe in asked.items()}
    assert paths == {
        "startup": "/health/live",
        "liveness": "/health/live",
        "readiness": "/health/ready",
    }


def test_selectors_meet_the_pod() -> None:
    labels = manifests()["deployment.yaml"]["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"] for port in container()["ports"]}
    service = manifests()["service.yaml"]["spec"]
    policy = manifests()["network-policy.yaml"]["spec"]
    budget = manifests()["disruption-budget.yaml"]["spec"]["selector"]["matchLabels"]
    assert service["selector"] == policy["podSelector"]["matchLabels"] == budget == labels
    assert {port["targetPort"] for port in service["ports"]} <= ports
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == {"gateway"}


def test_the_settings_are_good_and_the_pod_waits_for_their_stop(tmp_path: Path) -> None:
    text = settings_text().replace("/app/shop", str(tmp_path))
    (tmp_path / "dreamnet.toml").write_text(text)
    settings = load_settings(tmp_path / "dreamnet.toml")
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert settings.node.listen.port == ports["api"]
    assert settings.gateway.listen.port == ports["gateway"]
    mounts = {mount["mountPath"] for mount in container()["volumeMounts"]}
    assert any(settings.node.data_dir.startswith(f"{mount}/") for mount in mounts)
    longest = max(spec.grace for spec in settings.services.values())
    limit = timedelta(seconds=pod()["terminationGracePeriodSeconds"])
    assert limit >= longest + STOP_MARGIN


def test_nothing_lies_there_that_is_no_manifest() -> None:
    assert {file.suffix for file in FOLDER.iterdir()} == {".yaml"}
