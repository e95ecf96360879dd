-- Sums of an order's lines per day, with the customer's id as landed: a new
-- identity link rebuilds nothing here. Sums are signed, returns are negative.
with order_lines as (
    select * from staging.order_lines
),

lines_of_customers as (
    select
        business_day(ordered_at) as day,
        order_id,
        customer_id,
        ordered_at,
        quantity,
        net_amount,
        -- the rate as a decimal, so that cents are rounded from exact products
        coalesce(
            margin,
            round_cents(
                net_amount * cast($default_margin_rate as decimal(9, 6))
            )
        ) as margin
    from order_lines
    where customer_id is not null and ordered_at is not null
),

final as (
    select
        day,
        order_id,
        customer_id,
        count(*) as lines,
        cast(coalesce(sum(quantity), 0) as decimal(18, 3)) as quantity,
        cast(coalesce(sum(net_amount), 0) as decimal(18, 2)) as revenue,
        cast(coalesce(sum(margin), 0) as decimal(18, 2)) as margin,
        min(ordered_at) as first_line_at,
        min(ordered_at) filter (where quantity > 0) as first_positive_line_at
    from lines_of_customers
    group by day, order_id, customer_id
)

select * from final
