"""Every preset builds, and its networks are made of the same weights as before."""

from pathlib import Path

import pytest
import torch
from golden_files import FOLDER, difference
from listing import by_module, model_listing
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from dvdgan.config import load_config

PRESETS = Path(__file__).resolve().parents[2] / "presets"
NAMES = sorted(path.stem for path in PRESETS.glob("*.yaml"))
LISTINGS = FOLDER / "listings"

# Presets whose networks are made of the same weights share one file: k, phi, the number of steps
# and norms that keep nothing leave no trace in it.
SHARED = {
    **dict.fromkeys(("small_csv", "small_hugging_face", "small_webdataset"), "small_folder"),
    "appendix_c_layer_norm": "appendix_c_group_norm",
    "appendix_c_instance_norm": "appendix_c_group_norm",
    "appendix_c_no_norm": "appendix_c_group_norm",
    **{name: "table1_12x64" for name in NAMES if name.startswith("fig7_")},
}


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_s_networks_have_these_weights(name: str) -> None:
    listing = model_listing(load_config(PRESETS / f"{name}.yaml"))
    changed = difference(LISTINGS / f"{SHARED.get(name, name)}.txt", listing)
    assert not changed, f"the weights of {name} are others than before:\n{changed}"


def test_there_is_no_listing_without_a_preset() -> None:
    assert {path.stem for path in LISTINGS.iterdir()} == set(NAMES) - SHARED.keys()


def test_a_listing_names_every_entry_of_the_state_once() -> None:
    network = nn.Sequential(spectral_norm(nn.Linear(2, 3)), nn.BatchNorm1d(3))
    network.register_buffer("gamma", torch.zeros(()))
    assert by_module(network.state_dict()) == [
        ("itself", ["gamma scalar"]),
        (
            "0",
            [
                "bias 3",
                "parametrizations.weight.original 3x2",
                "parametrizations.weight.0._u 3",
                "parametrizations.weight.0._v 2",
            ],
        ),
        (
            "1",
            ["weight 3", "bias 3", "running_mean 3", "running_var 3", "num_batches_tracked scalar"],
        ),
    ]
