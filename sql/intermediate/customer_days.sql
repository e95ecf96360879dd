-- Days on which a customer bought or returned something, identities resolved.
with order_days as (
    select * from intermediate.order_days
),

identity_members as (
    select * from intermediate.identity_members
),

resolved as (
    select
        coalesce(identity_members.customer_id, order_days.customer_id)
            as customer_id,
        order_days.day,
        order_days.quantity,
        order_days.revenue,
        order_days.margin,
        order_days.first_line_at,
        order_days.first_positive_line_at
    from order_days
    left join identity_members
        on order_days.customer_id = identity_members.landed_id
    where order_days.day <= $as_of
),

days as (
    select
        customer_id,
        day,
        cast(sum(quantity) as decimal(18, 3)) as quantity,
        cast(sum(revenue) as decimal(18, 2)) as revenue,
        cast(sum(margin) as decimal(18, 2)) as margin,
        min(first_line_at) as first_line_at,
        min(first_positive_line_at) as first_positive_line_at
    from resolved
    group by customer_id, day
),

-- A day of sales and returns that leave nothing is no purchase day; a free
-- purchase (no money, but goods) is one.
final as (
    select
        customer_id,
        day,
        quantity,
        revenue,
        margin,
        first_line_at,
        coalesce(first_positive_line_at, first_line_at) as purchased_at,
        revenue > 0 or (revenue = 0 and quantity > 0) as is_purchase_day
    from days
)

select * from final
