-- Who is dormant when a month begins.
with customer_days as (
    select * from intermediate.customer_days
),

-- One window over all is many times faster than one per customer.
purchase_days as (
    select
        customer_id,
        day,
        case
            when lead(customer_id) over in_order = customer_id
                then lead(day) over in_order
        end as next_day
    from customer_days
    where is_purchase_day
    window in_order as (order by customer_id, day)
),

-- After each purchase day: the days on which its customer is dormant, the day
-- on which they buy again included, as it begins without a purchase.
spells as (
    select
        customer_id,
        next_day,
        add_days(day, $dormant_days) as dormant_from,
        least(
            add_days(day, $lost_days - 1),
            coalesce(next_day, $as_of),
            $as_of
        ) as dormant_to
    from purchase_days
),

-- Months as numbers: the first that begins in the spell, and the last.
spell_months as (
    select
        customer_id,
        next_day,
        cast(
            date_part('year', add_days(dormant_from, -1)) * 12
            + date_part('month', add_days(dormant_from, -1)) as bigint
        ) as first_month,
        cast(
            date_part('year', dormant_to) * 12
            + date_part('month', dormant_to) - 1 as bigint
        ) as last_month
    from spells
    where dormant_from <= dormant_to
),

dormant_numbers as (
    select
        customer_id,
        next_day,
        unnest(generate_series(first_month, last_month)) as month_number
    from spell_months
    where first_month <= last_month
),

final as (
    select
        customer_id,
        make_date(month_number / 12, month_number % 12 + 1, 1) as month,
        next_day as next_purchase_on
    from dormant_numbers
)

select * from final
