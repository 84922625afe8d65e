"""The Kubernetes manifests of `deploy/kubernetes`, as they are on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy/kubernetes"
KUSTOMIZATION = FOLDER / "kustomization.yaml"


def manifests() -> dict[str, Any]:
    """Return every manifest but the kustomization, by file name."""
    return {
        file.name: yaml.safe_load(file.read_text())
        for file in sorted(FOLDER.glob("*.yaml"))
        if file != KUSTOMIZATION
    }


def pod() -> dict[str, Any]:
    """Return the pod's spec."""
    return manifests()["deployment.yaml"]["spec"]["template"]["spec"]


def container() -> dict[str, Any]:
    """Return the one container of the pod."""
    (only,) = pod()["containers"]
    return only


def settings_text() -> str:
    """Return the dreamnet.toml of the config map."""
    return manifests()["config-map.yaml"]["data"]["dreamnet.toml"]
