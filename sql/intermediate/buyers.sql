-- One row per customer with a purchase day: what their purchases come to.
with customer_days as (
    select * from intermediate.customer_days
),

orders as (
    select * from intermediate.orders
),

-- One window over all is many times faster than one per customer: whose rows
-- stand before tells a first and a second purchase day from later ones.
days_in_order as (
    select
        customer_id,
        day,
        revenue,
        purchased_at,
        lag(customer_id) over in_order as one_before,
        lag(customer_id, 2) over in_order as two_before
    from customer_days
    where is_purchase_day
    window in_order as (order by customer_id, day)
),

purchase_days as (
    select
        customer_id,
        day,
        revenue,
        purchased_at,
        case
            when two_before = customer_id then 3
            when one_before = customer_id then 2
            else 1
        end as number
    from days_in_order
),

purchases as (
    select
        customer_id,
        count(*) as purchase_days,
        min(day) as first_purchase_on,
        max(day) as last_purchase_on,
        min(day) filter (where number = 2) as second_purchase_on,
        min(purchased_at) filter (where number = 1) as first_purchased_at,
        min(purchased_at) filter (where number = 2) as second_purchased_at,
        cast(
            coalesce(sum(revenue) filter (where number > 1), 0)
            as decimal(18, 2)
        ) as repeat_revenue
    from purchase_days
    group by customer_id
),

totals as (
    select
        customer_id,
        cast(sum(revenue) as decimal(18, 2)) as revenue,
        cast(sum(margin) as decimal(18, 2)) as margin,
        cast(
            coalesce(
                sum(revenue) filter (where day > add_days($as_of, -365)), 0
            ) as decimal(18, 2)
        ) as revenue_12m,
        cast(
            coalesce(
                sum(margin) filter (where day > add_days($as_of, -365)), 0
            ) as decimal(18, 2)
        ) as margin_12m
    from customer_days
    group by customer_id
),

order_counts as (
    select
        customer_id,
        count(*) as orders,
        max(ordered_at) as last_ordered_at
    from orders
    where is_order
    group by customer_id
),

final as (
    select
        purchases.customer_id,
        purchases.first_purchase_on,
        purchases.second_purchase_on,
        purchases.last_purchase_on,
        purchases.first_purchased_at,
        purchases.second_purchased_at,
        order_counts.last_ordered_at,
        purchases.purchase_days,
        coalesce(order_counts.orders, 0) as orders,
        totals.revenue,
        totals.margin,
        totals.revenue_12m,
        totals.margin_12m,
        purchases.repeat_revenue
    from purchases
    inner join totals on purchases.customer_id = totals.customer_id
    left join order_counts
        on purchases.customer_id = order_counts.customer_id
)

select * from final
