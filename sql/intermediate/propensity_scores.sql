-- What the propensity models say on the day that judges them, of those whose
-- outcome is known, and at as_of, of every customer.
with propensity_features as (
    select * from intermediate.propensity_features
),

propensity_fits as (
    select * from intermediate.propensity_fits
),

models as (
    select
        target,
        named_struct(
            'intercept', max(coefficient) filter (where place = 0),
            'coefficients',
            array_agg(coefficient order by place) filter (where place > 0),
            'base_rate', max(base_rate)
        ) as model
    from propensity_fits
    group by target
),

customers as (
    select
        *,
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
        ) as features
    from propensity_features
    where cut_on > add_days($as_of, -2 * $conversion_days)
),

judged as (
    select
        customers.cut_on,
        customers.customer_id,
        models.target,
        case models.target
            -- only those who are asked can answer; at as_of anyone might be
            when 'respond' then coalesce(customers.is_contacted_after, true)
            when 'churn' then customers.is_active
            else true
        end as is_eligible,
        case models.target
            when 'respond' then customers.has_responded_after
            when 'churn' then not customers.has_bought_after
            else customers.has_bought_after
        end as is_positive,
        models.model,
        customers.features
    from customers
    cross join models
),

scored as (
    select
        cut_on,
        customer_id,
        target,
        is_eligible,
        is_positive,
        case when is_eligible then logistic_score(model, features) end as score
    from judged
    where is_eligible or cut_on = $as_of
),

ranked as (
    select
        *,
        cast(
            row_number() over (
                partition by cut_on, target, score is null
                order by score desc, customer_id
            ) as bigint
        ) as place,
        cast(
            ntile(10) over (
                partition by cut_on, target, score is null
                order by score desc, customer_id
            ) as bigint
        ) as tenth
    from scored
),

final as (
    select
        cut_on,
        customer_id,
        target,
        is_eligible,
        is_positive,
        score,
        case when score is not null then place end as rank,
        case when score is not null then tenth end as decile
    from ranked
)

select * from final
