-- Calibration and lift of the propensity models by decile of the scores they
-- are judged by.
with propensity_fits as (
    select * from intermediate.propensity_fits
),

propensity_scores as (
    select * from intermediate.propensity_scores
),

slots as (
    select
        propensity_fits.target,
        deciles.decile
    from propensity_fits
    cross join (
        values (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)
    ) as deciles (decile)
    where propensity_fits.place = 0
),

deciles as (
    select
        target,
        decile,
        count(*) as customers,
        count(*) filter (where is_positive) as positives,
        sum(cast(score as decimal(38, 12))) as scores
    from propensity_scores
    where cut_on < $as_of and score is not null
    group by target, decile
),

totals as (
    select
        target,
        sum(customers) as customers,
        sum(positives) as positives
    from deciles
    group by target
),

final as (
    select
        slots.target,
        slots.decile,
        coalesce(deciles.customers, 0) as customers,
        coalesce(deciles.positives, 0) as positives,
        cast(deciles.scores as double) / deciles.customers as mean_score,
        cast(deciles.positives as double) / deciles.customers as observed_rate,
        cast(deciles.positives as double) / deciles.customers
        / nullif(cast(totals.positives as double) / totals.customers, 0.0)
            as lift_ratio
    from slots
    left join deciles
        on slots.target = deciles.target and slots.decile = deciles.decile
    left join totals on slots.target = totals.target
)

select * from final
