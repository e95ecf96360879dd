-- Logistic regressions of what customers did in the conversion_days after the
-- training day: a row per target and term.
with propensity_features as (
    select * from intermediate.propensity_features
),

training as (
    select
        make_array(
            has_bought,
            days_since_purchase,
            average_days_between,
            purchase_days_90,
            purchase_days_365,
            revenue_365,
            inbound_30,
            inbound_90,
            outbound_90,
            positive_365,
            negative_365,
            complaints_365,
            is_promoter,
            is_detractor,
            tenure
        ) as features,
        is_active,
        is_contacted_after,
        has_responded_after,
        has_bought_after
    from propensity_features
    where cut_on = add_days($as_of, -2 * $conversion_days)
),

-- One row, all three at once. The ridge of 10 doubts strong effects until the
-- data insist: beside hundreds of positives it is nothing, beside a few dozen
-- it keeps fifteen features from learning their accidents by heart.
fits as (
    select
        logistic_fit(features, has_responded_after, 10.0)
            filter (where is_contacted_after) as respond,
        logistic_fit(features, has_bought_after, 10.0) as purchase,
        logistic_fit(features, not has_bought_after, 10.0)
            filter (where is_active) as churn
    from training
),

targets as (
    select *
    from (values ('respond'), ('purchase'), ('churn')) as targets (target)
),

-- In the order of the features.
terms as (
    select *
    from (
        values
        (0, '(intercept)'),
        (1, 'has_bought'),
        (2, 'days_since_purchase'),
        (3, 'average_days_between'),
        (4, 'purchase_days_90'),
        (5, 'purchase_days_365'),
        (6, 'revenue_365'),
        (7, 'inbound_30'),
        (8, 'inbound_90'),
        (9, 'outbound_90'),
        (10, 'positive_365'),
        (11, 'negative_365'),
        (12, 'complaints_365'),
        (13, 'is_promoter'),
        (14, 'is_detractor'),
        (15, 'tenure')
    ) as terms (place, term)
),

models as (
    select
        targets.target,
        case targets.target
            when 'respond' then fits.respond
            when 'purchase' then fits.purchase
            else fits.churn
        end as fit
    from fits
    cross join targets
),

final as (
    select
        models.target,
        terms.place,
        terms.term,
        case
            when terms.place = 0 then models.fit['intercept']
            else models.fit['coefficients'][terms.place]
        end as coefficient,
        case
            when terms.place = 0 then models.fit['intercept_standard_error']
            else models.fit['standard_errors'][terms.place]
        end as coefficient_standard_error,
        nullif(models.fit['customers'], 0) as customers,
        case when models.fit['customers'] > 0 then models.fit['positives'] end
            as positives,
        models.fit['base_rate'] as base_rate,
        models.fit['log_likelihood'] as log_likelihood,
        models.fit['is_converged'] as is_converged,
        models.fit['is_boundary'] as is_boundary
    from models
    cross join terms
)

select * from final
