-- How the groups of each dimension compare.
with segments as (
    select * from marts.segments
),

customer_measures as (
    select * from intermediate.customer_measures
),

-- Each customer once per dimension. Buying itself puts customers into some
-- groups: that these convert says nothing.
memberships as (
    select
        customer_measures.is_buyer,
        customer_measures.revenue,
        customer_measures.clv,
        customer_measures.has_bought_before,
        customer_measures.is_churned_account,
        customer_measures.nps_score,
        customer_measures.contacts,
        customer_measures.positive_responses,
        unnest(
            [
                named_struct(
                    'dimension', 'age_band',
                    'value', segments.age_band,
                    'is_defined_by_buying', false
                ),
                named_struct(
                    'dimension', 'gender',
                    'value', segments.gender,
                    'is_defined_by_buying', false
                ),
                named_struct(
                    'dimension', 'income_band',
                    'value', segments.income_band,
                    'is_defined_by_buying', false
                ),
                named_struct(
                    'dimension', 'occupation',
                    'value', segments.occupation,
                    'is_defined_by_buying', false
                ),
                named_struct(
                    'dimension', 'persona',
                    'value', segments.persona,
                    'is_defined_by_buying', false
                ),
                named_struct(
                    'dimension', 'country',
                    'value', segments.country,
                    'is_defined_by_buying', false
                ),
                named_struct(
                    'dimension', 'region',
                    'value', segments.region,
                    'is_defined_by_buying', false
                ),
                named_struct(
                    'dimension', 'rfm_segment',
                    'value', segments.rfm_segment,
                    'is_defined_by_buying', true
                ),
                named_struct(
                    'dimension', 'value_tier',
                    'value', segments.value_tier,
                    'is_defined_by_buying', true
                ),
                named_struct(
                    'dimension', 'stage',
                    'value', segments.stage,
                    'is_defined_by_buying', true
                ),
                named_struct(
                    'dimension', 'behaviour_cluster',
                    'value', cast(segments.behaviour_cluster as varchar),
                    'is_defined_by_buying', true
                )
            ]
        ) as membership
    from segments
    inner join customer_measures
        on segments.customer_id = customer_measures.customer_id
),

sums as (
    select
        membership['dimension'] as dimension,
        coalesce(membership['value'], '(none)') as value,
        membership['is_defined_by_buying'] as is_defined_by_buying,
        count(*) as customers,
        count(*) filter (where is_buyer) as buyers,
        cast(sum(revenue) as decimal(18, 2)) as revenue,
        cast(sum(cast(clv as decimal(38, 12))) as double) as clv,
        count(clv) as valued,
        count(*) filter (where has_bought_before) as bought_before,
        count(*) filter (where is_churned_account) as churned_accounts,
        count(nps_score) as nps_responses,
        count(*) filter (where nps_score >= 9) as promoters,
        count(*) filter (where nps_score <= 6) as detractors,
        cast(sum(contacts) as bigint) as contacts,
        cast(sum(positive_responses) as bigint) as positive_responses
    from memberships
    group by
        membership['dimension'],
        coalesce(membership['value'], '(none)'),
        membership['is_defined_by_buying']
),

totals as (
    select count(*) as customers from segments
),

final as (
    select
        sums.dimension,
        sums.value,
        sums.customers,
        cast(sums.customers as double) / nullif(totals.customers, 0) as share,
        sums.buyers,
        case
            when not sums.is_defined_by_buying
                then cast(sums.buyers as double) / nullif(sums.customers, 0)
        end as conversion_rate,
        sums.revenue,
        cast(sums.revenue as double) / nullif(sums.customers, 0)
            as revenue_per_customer,
        -- who has not bought has no clv and counts as 0; a buyer's that is not
        -- known (where the mean value of a purchase is infinite) is not 0
        case
            when sums.buyers = 0 then 0.0
            when sums.valued = sums.buyers then sums.clv
        end / nullif(sums.customers, 0) as clv_per_customer,
        sums.bought_before,
        sums.churned_accounts,
        cast(sums.churned_accounts as double) / nullif(sums.bought_before, 0)
            as account_churn_rate,
        sums.nps_responses,
        100.0 * (sums.promoters - sums.detractors)
        / nullif(sums.nps_responses, 0) as nps,
        sums.contacts,
        sums.positive_responses,
        cast(sums.positive_responses as double) / nullif(sums.contacts, 0)
            as response_rate
    from sums
    cross join totals
)

select * from final
