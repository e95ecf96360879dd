"""Fits BG/NBD and Gamma-Gamma with lifetimes and predicts a year for everyone: input, output of predictions, output of figures."""

import json
import sys
import time
import warnings

started = time.perf_counter()
warnings.simplefilter("ignore")

import pandas as pd  # noqa: E402
from lifetimes import BetaGeoFitter, GammaGammaFitter  # noqa: E402


def main(source: str, predictions: str, figures: str):
    imported = time.perf_counter()
    rows = pd.read_parquet(source)
    read = time.perf_counter()
    purchases = BetaGeoFitter()
    purchases.fit(rows["frequency"], rows["recency"], rows["age"])
    money = GammaGammaFitter()
    returned = rows[rows["frequency"] > 0]
    money.fit(returned["frequency"], returned["monetary"])
    fitted = time.perf_counter()
    result = pd.DataFrame(
        {
            "customer_id": rows["customer_id"],
            "p_alive": purchases.conditional_probability_alive(rows["frequency"], rows["recency"], rows["age"]),
            "expected_purchases": purchases.conditional_expected_number_of_purchases_up_to_time(52, rows["frequency"], rows["recency"], rows["age"]),
            "expected_value": money.conditional_expected_average_profit(rows["frequency"], rows["monetary"]),
        }
    )
    predicted = time.perf_counter()
    result.to_parquet(predictions)
    facts = {name: float(value) for fitter in (purchases, money) for name, value in fitter.params_.items()}
    facts |= {"import": imported - started, "read": read - imported, "fit": fitted - read, "predict": predicted - fitted}
    with open(figures, "w") as file:
        json.dump(facts, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
