-- What came before each order, of all that happened between the customer and
-- us: the touches over which an order's margin is shared.
with orders as (
    select * from intermediate.orders
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

interactions as (
    select * from staging.interactions
),

identity_members as (
    select * from intermediate.identity_members
),

-- Days before the order's own: no moments needed.
earlier_days as (
    select
        customer_id,
        day,
        kind,
        channel,
        days_between(date '0001-01-01', day) / $attribution_days as span,
        interactions
    from customer_interactions
),

-- A span of attribution_days has a number. A window covers days of two spans
-- at most, its order's own and the one before: joining on customer and span
-- pairs an order with what is near, not with all that ever happened to them.
order_spans as (
    select
        orders.customer_id,
        orders.order_id,
        orders.ordered_on,
        days_between(date '0001-01-01', orders.ordered_on) / $attribution_days
        - spans.back as span
    from orders
    cross join (
        select 0 as back
        union all
        select 1 as back
    ) as spans
),

before_the_day as (
    select
        order_spans.customer_id,
        order_spans.order_id,
        earlier_days.kind,
        earlier_days.channel,
        earlier_days.interactions
    from order_spans
    inner join earlier_days
        on
            order_spans.customer_id = earlier_days.customer_id
            and order_spans.span = earlier_days.span
    where
        earlier_days.day > add_days(order_spans.ordered_on, -$attribution_days)
        and earlier_days.day < order_spans.ordered_on
),

-- On the order's own day its moment decides, so they are read one by one.
moments as (
    select
        coalesce(identity_members.customer_id, interactions.customer_id)
            as customer_id,
        business_day(interactions.occurred_at) as day,
        interactions.occurred_at,
        coalesce(interactions.kind, '(none)') as kind,
        coalesce(interactions.channel, '(none)') as channel
    from interactions
    left join identity_members
        on interactions.customer_id = identity_members.landed_id
    where
        interactions.customer_id is not null
        and business_day(interactions.occurred_at) <= $as_of
),

on_the_day as (
    select
        orders.customer_id,
        orders.order_id,
        moments.kind,
        moments.channel,
        cast(1 as bigint) as interactions
    from orders
    inner join moments
        on
            orders.customer_id = moments.customer_id
            and orders.ordered_on = moments.day
    where moments.occurred_at <= orders.ordered_at
),

touches as (
    select * from before_the_day
    union all
    select * from on_the_day
),

final as (
    select
        customer_id,
        order_id,
        kind,
        channel,
        cast(sum(interactions) as bigint) as interactions
    from touches
    group by customer_id, order_id, kind, channel
)

select * from final
