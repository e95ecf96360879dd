-- How soon customers come back for a second purchase, and which wait goes
-- with customers who stay.
with waits as (
    select * from intermediate.second_purchase_waits
),

customer_days as (
    select * from intermediate.customer_days
),

-- What the observed were worth in their first year, and whether they were
-- still there after it.
first_years as (
    select
        waits.customer_id,
        sum(customer_days.revenue) filter (
            where days_between(waits.first_purchase_on, customer_days.day) < 365
        ) as revenue_12m,
        bool_or(
            customer_days.is_purchase_day
            and days_between(waits.first_purchase_on, customer_days.day) >= 365
        ) as is_active
    from waits
    inner join customer_days on waits.customer_id = customer_days.customer_id
    where
        waits.is_observed
        and customer_days.day between waits.first_purchase_on
        and add_days(waits.first_purchase_on, 454)
    group by waits.customer_id
),

source_counts as (
    select
        waits.source,
        waits.band,
        count(*) as customers,
        count(first_years.customer_id) as observed,
        count(*) filter (where first_years.is_active) as active,
        sum(first_years.revenue_12m) as revenue_12m
    from waits
    left join first_years on waits.customer_id = first_years.customer_id
    group by waits.source, waits.band
),

-- Sources are apart, so 'all' is their sum.
segment_counts as (
    select
        unnest(make_array('all', source)) as segment,
        band,
        customers,
        observed,
        active,
        revenue_12m
    from source_counts
),

bands as (
    select
        column1 as band,
        column2 as ends_on_day
    from
        (
            values
            ('0-30', 30),
            ('31-60', 60),
            ('61-90', 90),
            ('91-365', 365),
            ('none_in_365', null),
            ('waiting', null)
        ) as all_bands
),

segments as (
    select 'all' as segment
    union
    select source as segment
    from waits
),

-- Every band of every segment, empty or not.
cells as (
    select
        segments.segment,
        bands.band,
        0 as customers,
        0 as observed,
        0 as active,
        cast(0 as decimal(18, 2)) as revenue_12m
    from segments
    cross join bands
    union all
    select * from segment_counts
),

counted as (
    select
        segment,
        band,
        cast(sum(customers) as bigint) as customers,
        cast(sum(observed) as bigint) as observed,
        cast(sum(active) as bigint) as active,
        cast(sum(revenue_12m) as double) as revenue_12m
    from cells
    group by segment, band
),

compared as (
    select
        *,
        sum(customers) over in_segment as all_customers,
        sum(observed) over in_segment - observed as other_observed,
        sum(active) over in_segment - active as other_active
    from counted
    window in_segment as (partition by segment)
),

-- Kaplan-Meier over everyone in a segment, those still waiting too.
segment_waits as (
    select
        unnest(make_array('all', source)) as segment,
        days,
        has_returned
    from waits
),

curves as (
    select
        segment,
        kaplan_meier(days, has_returned) as steps
    from segment_waits
    group by segment
),

curve_steps as (
    select
        segment,
        unnest(steps) as step
    from curves
),

-- Survival only falls: its value on a day is the least so far. Past the
-- longest wait nobody knows, unless nobody is left.
probabilities as (
    select
        curve_steps.segment,
        bands.band,
        case
            when
                max(curve_steps.step['time']) >= bands.ends_on_day
                or min(curve_steps.step['survival']) = 0.0
                then
                    1.0 - coalesce(
                        min(
                            case
                                when
                                    curve_steps.step['time']
                                    <= bands.ends_on_day
                                    then curve_steps.step['survival']
                            end
                        ), 1.0
                    )
        end as second_purchase_probability
    from curve_steps
    cross join bands
    where bands.ends_on_day is not null
    group by curve_steps.segment, bands.band, bands.ends_on_day
),

rated as (
    select
        *,
        cast(active as double) / nullif(observed, 0) as active_after_year,
        cast(other_active as double) / nullif(other_observed, 0)
            as other_active_after_year,
        wald_interval(active, observed, other_active, other_observed)
            as lift_interval
    from compared
),

final as (
    select
        rated.band,
        rated.segment,
        rated.customers,
        cast(rated.customers as double) / nullif(rated.all_customers, 0)
            as share,
        rated.observed,
        rated.revenue_12m / nullif(rated.observed, 0) as revenue_12m,
        rated.active_after_year,
        rated.active_after_year - rated.other_active_after_year as lift_points,
        rated.lift_interval['low'] as lift_points_low,
        rated.lift_interval['high'] as lift_points_high,
        rated.active_after_year / nullif(rated.other_active_after_year, 0.0)
            as lift_ratio,
        probabilities.second_purchase_probability
    from rated
    left join probabilities
        on
            rated.segment = probabilities.segment
            and rated.band = probabilities.band
)

select * from final
