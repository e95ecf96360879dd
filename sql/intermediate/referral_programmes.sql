-- How recommendations spread, from the facts up to each cut day of the key
-- figures.
with cut_days as (
    select cut_on
    from intermediate.cut_days
    where purpose = 'kpi'
),

referrals as (
    select * from intermediate.referral_outcomes
),

customer_days as (
    select * from intermediate.customer_days
),

counted as (
    select
        cut_on,
        min(referred_on) as first_on,
        max(referred_on) as last_on,
        count(*) as referrals,
        count(*) filter (where referred_on > add_days(cut_on, -365))
            as referrals_12m,
        count(*) filter (where is_matured) as matured,
        count(*) filter (where is_matured and is_converted)
            as matured_converted
    from referrals
    where is_valid
    group by cut_on
),

customers_with_a_purchase as (
    select
        cut_days.cut_on,
        customer_days.customer_id
    from cut_days
    inner join customer_days
        on
            cut_days.cut_on >= customer_days.day
            and add_days(cut_days.cut_on, -365) < customer_days.day
    where customer_days.is_purchase_day
    group by cut_days.cut_on, customer_days.customer_id
),

recent_buyers as (
    select
        cut_on,
        count(*) as customers
    from customers_with_a_purchase
    group by cut_on
),

rates as (
    select
        cut_days.cut_on,
        counted.first_on,
        counted.last_on,
        coalesce(counted.referrals, 0) as referrals,
        cast(coalesce(counted.referrals_12m, 0) as double)
        / nullif(recent_buyers.customers, 0) as referrals_per_customer,
        cast(counted.matured_converted as double)
        / nullif(counted.matured, 0) as conversion_rate
    from cut_days
    left join counted on cut_days.cut_on = counted.cut_on
    left join recent_buyers on cut_days.cut_on = recent_buyers.cut_on
),

final as (
    select
        *,
        referrals_per_customer * conversion_rate as k_factor
    from rates
)

select * from final
