-- How many of those who first bought in a month come back, and what they are
-- worth: by calendar months, and by 30 days since each one's first purchase.
with customers as (
    select * from intermediate.known_customers
),

buyers as (
    select * from intermediate.buyers
),

customer_days as (
    select * from intermediate.customer_days
),

-- A month as a number, to count from one to another.
members as (
    select
        buyers.customer_id,
        buyers.first_purchase_on,
        buyers.last_purchase_on,
        cast(date_trunc('month', buyers.first_purchase_on) as date) as cohort,
        cast(
            date_part('year', buyers.first_purchase_on) * 12
            + date_part('month', buyers.first_purchase_on) as bigint
        ) as first_month,
        cast(
            date_part('year', buyers.last_purchase_on) * 12
            + date_part('month', buyers.last_purchase_on) as bigint
        ) as last_month,
        coalesce(customers.acquisition_source, '(none)') as source
    from buyers
    left join customers on buyers.customer_id = customers.customer_id
),

-- What each customer did in each period. Before period 0 nothing counts (a
-- return without a purchase).
calendar_days as (
    select
        customer_days.customer_id,
        cast(
            date_part('year', customer_days.day) * 12
            + date_part('month', customer_days.day)
            - date_part('year', buyers.first_purchase_on) * 12
            - date_part('month', buyers.first_purchase_on) as bigint
        ) as period,
        customer_days.revenue,
        customer_days.is_purchase_day
    from customer_days
    inner join buyers on customer_days.customer_id = buyers.customer_id
),

calendar_periods as (
    select
        customer_id,
        'calendar_month' as cohort_kind,
        period,
        sum(revenue) as revenue,
        bool_or(is_purchase_day) as has_bought
    from calendar_days
    where period >= 0
    group by customer_id, period
),

customer_month_days as (
    select
        customer_days.customer_id,
        days_between(buyers.first_purchase_on, customer_days.day) / 30
            as period,
        customer_days.revenue,
        customer_days.is_purchase_day
    from customer_days
    inner join buyers on customer_days.customer_id = buyers.customer_id
    where customer_days.day >= buyers.first_purchase_on
),

customer_month_periods as (
    select
        customer_id,
        'customer_month' as cohort_kind,
        period,
        sum(revenue) as revenue,
        bool_or(is_purchase_day) as has_bought
    from customer_month_days
    group by customer_id, period
),

customer_periods as (
    select * from calendar_periods
    union all
    select * from customer_month_periods
),

-- Until the period of their last purchase a customer was there.
last_periods as (
    select
        'calendar_month' as cohort_kind,
        cohort,
        source,
        last_month - first_month as period
    from members
    union all
    select
        'customer_month' as cohort_kind,
        cohort,
        source,
        days_between(first_purchase_on, last_purchase_on) / 30 as period
    from members
),

source_facts as (
    select
        customer_periods.cohort_kind,
        members.cohort,
        members.source,
        customer_periods.period,
        count(*) filter (where customer_periods.has_bought) as active,
        cast(0 as bigint) as last_active,
        sum(customer_periods.revenue) as revenue
    from customer_periods
    inner join members on customer_periods.customer_id = members.customer_id
    group by
        customer_periods.cohort_kind,
        members.cohort,
        members.source,
        customer_periods.period
    union all
    select
        cohort_kind,
        cohort,
        source,
        period,
        cast(0 as bigint) as active,
        count(*) as last_active,
        cast(0 as decimal(38, 2)) as revenue
    from last_periods
    group by cohort_kind, cohort, source, period
),

-- Sources are apart, so 'all' is their sum.
segment_facts as (
    select
        cohort_kind,
        cohort,
        unnest(make_array('all', source)) as segment,
        period,
        active,
        last_active,
        revenue
    from source_facts
),

facts as (
    select
        cohort_kind,
        cohort,
        segment,
        period,
        sum(active) as active,
        sum(last_active) as last_active,
        sum(revenue) as revenue
    from segment_facts
    group by cohort_kind, cohort, segment, period
),

source_cohorts as (
    select
        cohort,
        first_month,
        source,
        count(*) as cohort_size,
        min(first_purchase_on) as oldest_on
    from members
    group by cohort, first_month, source
),

segment_cohorts as (
    select
        cohort,
        first_month,
        unnest(make_array('all', source)) as segment,
        cohort_size,
        oldest_on
    from source_cohorts
),

cohorts as (
    select
        cohort,
        first_month,
        segment,
        cast(sum(cohort_size) as bigint) as cohort_size,
        min(oldest_on) as oldest_on,
        -- the youngest possible member bought first on the month's last day
        add_days(cast(cohort + interval '1 month' as date), -1)
            as youngest_on,
        cast(
            date_part('year', $as_of) * 12 + date_part('month', $as_of)
            as bigint
        ) as as_of_month,
        -- months before this one have ended at as_of
        cast(
            date_part('year', add_days($as_of, 1)) * 12
            + date_part('month', add_days($as_of, 1)) as bigint
        ) as open_month
    from segment_cohorts
    group by cohort, first_month, segment
),

-- The periods that have begun for the oldest member.
periods as (
    select
        'calendar_month' as cohort_kind,
        *,
        unnest(generate_series(0, as_of_month - first_month)) as period
    from cohorts
    union all
    select
        'customer_month' as cohort_kind,
        *,
        unnest(generate_series(0, days_between(oldest_on, $as_of) / 30))
            as period
    from cohorts
),

-- The rest of the columns needs the periods in a row.
counted as (
    select
        periods.cohort_kind,
        periods.cohort,
        periods.period,
        periods.segment,
        periods.cohort_size,
        cast(coalesce(facts.active, 0) as bigint) as active,
        cast(
            coalesce(
                sum(facts.last_active) over (
                    partition by
                        periods.cohort_kind, periods.cohort, periods.segment
                    order by periods.period desc
                ), 0
            ) as bigint
        ) as active_on_or_after,
        cast(coalesce(facts.revenue, 0) as decimal(18, 2)) as revenue,
        sum(coalesce(facts.revenue, 0)) over (
            partition by periods.cohort_kind, periods.cohort, periods.segment
            order by periods.period
        ) as cumulative_revenue,
        case
            when periods.cohort_kind = 'calendar_month'
                then periods.first_month + periods.period < periods.open_month
            else
                add_days(periods.youngest_on, 30 * periods.period + 29)
                <= $as_of
        end as is_complete
    from periods
    left join facts
        on
            periods.cohort_kind = facts.cohort_kind
            and periods.cohort = facts.cohort
            and periods.segment = facts.segment
            and periods.period = facts.period
),

final as (
    select
        cohort_kind,
        cohort,
        period,
        segment,
        cohort_size,
        active,
        case when is_complete then cast(active as double) / cohort_size end
            as retention_rate,
        active_on_or_after,
        case
            when is_complete
                then cast(active_on_or_after as double) / cohort_size
        end as retention_on_or_after,
        revenue,
        cast(cumulative_revenue as double) / cohort_size
            as cumulative_revenue_per_customer,
        is_complete
    from counted
)

select * from final
