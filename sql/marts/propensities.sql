-- How likely each customer is to respond, to purchase and to churn in the
-- conversion_days after as_of.
with propensity_scores as (
    select * from intermediate.propensity_scores
),

propensity_models as (
    select * from marts.propensity_models
),

final as (
    select
        propensity_scores.customer_id,
        propensity_scores.target,
        propensity_scores.is_eligible,
        propensity_scores.score,
        propensity_scores.rank,
        propensity_scores.decile,
        propensity_models.base_rate,
        propensity_scores.score / nullif(propensity_models.base_rate, 0.0)
            as lift_ratio,
        coalesce(propensity_models.beats_base_rate, false) as is_reliable
    from propensity_scores
    inner join propensity_models
        on propensity_scores.target = propensity_models.target
    where propensity_scores.cut_on = $as_of
)

select * from final
