"""Documents of `gnr calibrate` and `gnr fit` for the sample files, as the README makes them."""

from dataclasses import dataclass
from pathlib import Path

import gnr
from gnr.calibration_result import Calibration
from gnr.demand import Demand, read_demand
from gnr.fit_result import Fit
from gnr.instance import Instance

SAMPLES = Path(__file__).parent / "data" / "samples"


@dataclass(frozen=True)
class Documents:
    """The documents with their files, and what is sized with them."""

    calibration: Calibration
    calibration_file: Path
    fit: Fit
    fit_file: Path
    instance: Instance
    demand: Demand


def make_documents(folder: Path) -> Documents:
    """Return the documents, written into a folder."""
    fit = gnr.fit(SAMPLES / "requests.csv", 2, like="two-class", gpus=8)
    *_, demand = fit.write(folder)
    calibration = gnr.calibrate(SAMPLES / "iteration-times.csv", instance=fit.instance)
    data = calibration.iteration_time
    gpu = fit.instance.gpu.model_copy(update={"iteration_time": data})
    return Documents(
        calibration,
        calibration.write(folder, "requests"),
        fit,
        folder / f"{fit.name}.fit.json",
        fit.instance.model_copy(update={"gpu": gpu}),
        read_demand(demand),
    )
