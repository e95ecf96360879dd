"""What DuckDB has no function for.

`TABLES` come from our own release as they are: only their time is not compared. `PATCHES` put a hand-written piece (or a
given column) in the place of a call; `PARTLY` says which models are cheaper in DuckDB for that, `SKIPPED` which columns
are then not compared.
"""

from translate import calls

TABLES = {
    "intermediate.identity_members": "connected_components",
    "intermediate.clv_fit": "bgnbd_fit, mbgnbd_fit, pareto_nbd_fit, gamma_gamma_fit",
    "intermediate.behaviour_clusters": "kmeans_fit",
    "intermediate.propensity_fits": "logistic_fit",
}

PARTLY = {
    "intermediate.referral_outcomes": "circles (strong_components) are given",
    "marts.customer_value": "expected and discounted purchases (hypergeometric series) are given",
    "marts.propensity_models": "without the recalibration (logistic_fit)",
    "marts.campaign_performance": "without the Welch interval",
}

SKIPPED = {
    "marts.propensity_models": ["calibration_slope"],
    "marts.campaign_performance": ["revenue_lift_low", "revenue_lift_high"],
}

# Read from our release before the clock starts.
FACTS = {
    "given.circles": """
        select cut_on, referral_id
        from ours.intermediate.referral_outcomes where excluded_as = 'circle'
    """,
    "given.predictions": """
        select
            customer_id,
            expected_purchases,
            clv / nullif(expected_purchase_value * margin_rate, 0) as discounted_purchases
        from ours.marts.customer_value
        cross join (select margin_rate from ours.intermediate.clv_fit)
    """,
}


def _replace(sql: str, old: str, new: str) -> str:
    if sql.count(old) != 1:
        raise SystemExit(f"a patch does not fit any more: {sql.count(old)} times {old!r}")
    return sql.replace(old, new)


def _between(sql: str, start: str, end: str, new: str) -> str:
    before, rest = sql.split(start, 1)
    return before + new + end + rest.split(end, 1)[1]


def _referral_outcomes(sql: str) -> str:
    sql = _between(sql, "circle_members as (", "with_purchases as (", """
judged_links as (
    select
        links.*,
        case
            when links.referrer_id = links.referred_id then 'self'
            when circles.referral_id is not null then 'circle'
        end as excluded_as
    from links
    left join given.circles as circles
        on
            links.cut_on = circles.cut_on
            and links.referral_id = circles.referral_id
),

""")
    return sql


def _customer_value(sql: str) -> str:
    for model in ("mbgnbd", "pareto_nbd", "bgnbd"):
        for what in ("expected", "discounted"):
            column = f"given_predictions.{what}_purchases" if model == "bgnbd" else "null"
            sql = calls(sql, f"{model}_{what}_purchases", lambda _, column=column: column)
    return _replace(sql, "from clv_inputs\n    cross join models", """from clv_inputs
    left join given.predictions as given_predictions
        on clv_inputs.customer_id = given_predictions.customer_id
    cross join models""")


def _propensity_models(sql: str) -> str:
    sql = calls(sql, "auc", lambda _: """(
            sum(score_rank) filter (where is_positive)
            - count(*) filter (where is_positive)
            * (count(*) filter (where is_positive) + 1) / 2e0
        ) / nullif(
            cast(count(*) filter (where is_positive) as double)
            * count(*) filter (where not is_positive), 0
        )""")
    sql = _between(sql, "logistic_fit(", " as recalibration", """{
            'standard_errors': [cast(null as double)],
            'coefficients': [cast(null as double)]
        }""")
    return _replace(sql, """from propensity_scores
    where""", """from (
        select
            *,
            rank() over (partition by target order by score)
            + (count(*) over (partition by target, score) - 1) / 2e0
                as score_rank
        from propensity_scores
        where cut_on < $as_of and score is not null
    )
    where""")


def _second_purchase(sql: str) -> str:
    return _between(sql, "curves as (", "probabilities as (", """
curves as (
    select
        segment,
        days,
        count(*) as leaving,
        count(*) filter (where has_returned) as events
    from segment_waits
    group by segment, days
),

at_risk as (
    select
        *,
        sum(leaving) over (partition by segment order by days desc) as customers
    from curves
),

curve_steps as (
    select
        segment,
        {
            'time': days,
            'survival':
                product(1e0 - cast(events as double) / customers)
                over (partition by segment order by days)
        } as step
    from at_risk
),

""")


# Before the translation.
PATCHES = {
    "intermediate.referral_outcomes": _referral_outcomes,
    "marts.customer_value": _customer_value,
    "marts.propensity_models": _propensity_models,
    "marts.second_purchase": _second_purchase,
}
