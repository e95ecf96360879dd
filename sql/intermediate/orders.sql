-- Orders of customers, identities resolved, with all their lines up to as_of.
with order_days as (
    select * from intermediate.order_days
),

identity_members as (
    select * from intermediate.identity_members
),

orders as (
    select
        coalesce(identity_members.customer_id, order_days.customer_id)
            as customer_id,
        order_days.order_id,
        cast(sum(order_days.quantity) as decimal(18, 3)) as quantity,
        cast(sum(order_days.revenue) as decimal(18, 2)) as revenue,
        cast(sum(order_days.margin) as decimal(18, 2)) as margin,
        min(order_days.first_line_at) as ordered_at,
        min(order_days.day) as ordered_on
    from order_days
    left join identity_members
        on order_days.customer_id = identity_members.landed_id
    where order_days.day <= $as_of
    group by
        coalesce(identity_members.customer_id, order_days.customer_id),
        order_days.order_id
),

-- The rule of purchase days, for an order: a document that only returns goods
-- is no order, nor is an order that has been returned whole.
final as (
    select
        customer_id,
        order_id,
        ordered_at,
        ordered_on,
        quantity,
        revenue,
        margin,
        revenue > 0 or (revenue = 0 and quantity > 0) as is_order
    from orders
)

select * from final
