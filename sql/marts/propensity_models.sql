-- How well the propensity models foresaw the last conversion_days, beside a
-- guess that gives everyone the base rate of the training.
with propensity_fits as (
    select * from intermediate.propensity_fits
),

propensity_scores as (
    select * from intermediate.propensity_scores
),

trained as (
    select * from propensity_fits
    where place = 0
),

-- Sums of doubles depend on their order: sums of decimals do not. A score of 0
-- or 1 (all were alike in training) has no log loss. The ridge of the slope is
-- next to nothing: a coefficient of one score is no place for caution.
judged as (
    select
        target,
        count(*) as customers,
        count(*) filter (where is_positive) as positives,
        count(*) filter (where decile = 1) as top_customers,
        count(*) filter (where decile = 1 and is_positive) as top_positives,
        cast(sum(cast(score as decimal(38, 12))) as double) as scores,
        auc(score, is_positive) as auc,
        cast(
            sum(
                cast(
                    case
                        when score <= 0 or score >= 1 then null
                        when is_positive then -ln(score)
                        else -ln(1.0 - score)
                    end as decimal(38, 12)
                )
            ) as double
        ) as losses,
        logistic_fit(make_array(ln(score / (1.0 - score))), is_positive, 1e-6)
            filter (where score > 0 and score < 1) as recalibration
    from propensity_scores
    where cut_on < $as_of and score is not null
    group by target
),

measures as (
    select
        trained.target,
        add_days($as_of, -2 * $conversion_days) as trained_on,
        add_days($as_of, -$conversion_days) as judged_on,
        trained.customers as trained_customers,
        trained.positives as trained_positives,
        trained.base_rate,
        trained.log_likelihood,
        trained.is_converged,
        trained.is_boundary,
        judged.customers as judged_customers,
        judged.positives as judged_positives,
        cast(judged.positives as double) / judged.customers as observed_rate,
        judged.scores / judged.customers as mean_score,
        judged.auc,
        judged.losses / judged.customers as log_loss,
        case
            when trained.base_rate > 0 and trained.base_rate < 1
                then
                    -(
                        judged.positives * ln(trained.base_rate)
                        + (judged.customers - judged.positives)
                        * ln(1.0 - trained.base_rate)
                    ) / judged.customers
        end as base_log_loss,
        judged.scores / nullif(cast(judged.positives as double), 0.0)
            as calibration_ratio,
        -- null where all scores are equal or tell the classes apart
        case
            when judged.recalibration['standard_errors'][1] is not null
                then judged.recalibration['coefficients'][1]
        end as calibration_slope,
        cast(judged.top_positives as double)
        / nullif(judged.top_customers, 0)
        / nullif(cast(judged.positives as double) / judged.customers, 0.0)
            as lift_ratio
    from trained
    left join judged on trained.target = judged.target
),

-- Hanley and McNeil: pairs that share a positive, or another, depend on each
-- other.
errors as (
    select
        *,
        sqrt(
            greatest(
                auc * (1.0 - auc)
                + (judged_positives - 1)
                * (auc / (2.0 - auc) - auc * auc)
                + (judged_customers - judged_positives - 1)
                * (2.0 * auc * auc / (1.0 + auc) - auc * auc),
                0.0
            )
            / nullif(
                cast(judged_positives as double)
                * (judged_customers - judged_positives),
                0.0
            )
        ) as auc_standard_error,
        case
            when trained_customers is null or judged_customers is null then null
            when base_log_loss is null then false
            when auc is null then null
            else log_loss < base_log_loss and auc > 0.5
        end as beats_base_rate
    from measures
),

final as (
    select
        target,
        trained_on,
        judged_on,
        trained_customers,
        trained_positives,
        base_rate,
        log_likelihood,
        is_converged,
        is_boundary,
        judged_customers,
        judged_positives,
        observed_rate,
        mean_score,
        auc,
        auc_standard_error,
        log_loss,
        base_log_loss,
        calibration_ratio,
        calibration_slope,
        lift_ratio,
        beats_base_rate,
        case
            when trained_customers is null
                then 'no customers to train on'
            when judged_customers is null
                then 'no customers to judge by'
            when base_log_loss is null
                then
                    'does not beat the base rate: all customers in training '
                    || 'did the same, so the score is the base rate'
            when auc is null
                then
                    'cannot be judged: all customers judged by did the same'
            when beats_base_rate
                then 'beats the base rate'
            when auc <= 0.5
                then
                    'does not beat the base rate: the order of the scores '
                    || 'is no better than chance'
            else
                'does not beat the base rate: its probabilities are further '
                || 'from what happened'
        end as verdict
    from errors
)

select * from final
