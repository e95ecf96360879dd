-- New churn by category and reason, with totals. Customers who had left before
-- the window before are not counted again.
with churn as (
    select * from marts.churn
),

base as (
    select count(*) as base
    from churn
    where has_bought_before
),

new_churn as (
    select
        category,
        reason,
        count(*) as customers,
        sum(revenue_lost) as revenue_lost
    from churn
    where is_new_churn
    group by category, reason
),

with_totals as (
    select category, reason, customers, revenue_lost from new_churn
    union all
    select category, 'all' as reason, customers, revenue_lost from new_churn
    union all
    select 'all' as category, reason, customers, revenue_lost from new_churn
    union all
    select 'all' as category, 'all' as reason, customers, revenue_lost
    from new_churn
    union all
    -- the grand total is there even if nobody left
    select
        'all' as category,
        'all' as reason,
        cast(0 as bigint) as customers,
        cast(0 as decimal(28, 2)) as revenue_lost
),

sums as (
    select
        category,
        reason,
        cast(sum(customers) as bigint) as customers,
        cast(sum(revenue_lost) as decimal(18, 2)) as revenue_lost
    from with_totals
    group by category, reason
),

final as (
    select
        sums.category,
        sums.reason,
        base.base,
        sums.customers,
        cast(sums.customers as double) / nullif(base.base, 0) as rate,
        sums.revenue_lost
    from sums
    cross join base
)

select * from final
