-- The campaigns that came before each order, touch by touch: the paths to
-- purchase that attribution shares credit over.
with orders as (
    select * from intermediate.orders
),

campaign_interactions as (
    select * from intermediate.campaign_interactions
),

order_campaigns as (
    select * from intermediate.order_campaigns
),

identity_members as (
    select * from intermediate.identity_members
),

counted_orders as (
    select
        customer_id,
        order_id,
        ordered_at,
        ordered_on
    from orders
    where is_order
),

-- A span of attribution_days has a number. A window covers days of two spans
-- at most, its order's own and the one before: joining on customer and span
-- pairs an order with what is near, not with all that ever happened to them.
order_spans as (
    select
        counted_orders.customer_id,
        counted_orders.order_id,
        counted_orders.ordered_at,
        counted_orders.ordered_on,
        days_between(date '0001-01-01', counted_orders.ordered_on)
        / $attribution_days
        - spans.back as span
    from counted_orders
    cross join (
        select 0 as back
        union all
        select 1 as back
    ) as spans
),

touches as (
    select
        coalesce(
            identity_members.customer_id, campaign_interactions.customer_id
        ) as customer_id,
        campaign_interactions.day,
        campaign_interactions.occurred_at,
        campaign_interactions.interaction_id,
        campaign_interactions.campaign_id,
        days_between(date '0001-01-01', campaign_interactions.day)
        / $attribution_days as span
    from campaign_interactions
    left join identity_members
        on campaign_interactions.customer_id = identity_members.landed_id
    where campaign_interactions.day <= $as_of
),

-- Days are whole business days; on the order's own day its moment decides.
paired as (
    select
        order_spans.customer_id,
        order_spans.order_id,
        touches.interaction_id,
        touches.campaign_id,
        touches.occurred_at as touched_at,
        days_between(touches.day, order_spans.ordered_on) as days_before
    from order_spans
    inner join touches
        on
            order_spans.customer_id = touches.customer_id
            and order_spans.span = touches.span
    where
        touches.day > add_days(order_spans.ordered_on, -$attribution_days)
        and touches.occurred_at <= order_spans.ordered_at
),

noted_campaigns as (
    select
        coalesce(identity_members.customer_id, order_campaigns.customer_id)
            as customer_id,
        order_campaigns.order_id,
        first_value(
            order_campaigns.campaign_id
            order by order_campaigns.noted_at, order_campaigns.line_no
        ) as campaign_id
    from order_campaigns
    left join identity_members
        on order_campaigns.customer_id = identity_members.landed_id
    where order_campaigns.day <= $as_of
    group by
        coalesce(identity_members.customer_id, order_campaigns.customer_id),
        order_campaigns.order_id
),

-- What the till noted comes last, and stays if it is alone.
all_touches as (
    select * from paired
    union all
    select
        counted_orders.customer_id,
        counted_orders.order_id,
        cast(null as varchar) as interaction_id,
        coalesce(noted_campaigns.campaign_id, '(none)') as campaign_id,
        counted_orders.ordered_at as touched_at,
        cast(0 as bigint) as days_before
    from counted_orders
    left join noted_campaigns
        on
            counted_orders.customer_id = noted_campaigns.customer_id
            and counted_orders.order_id = noted_campaigns.order_id
),

-- Numbers within each order. One window over all is many times faster than one
-- per order: a number is the distance from the order's first touch.
touches_in_order as (
    select
        *,
        cast(row_number() over in_order as bigint) as place,
        (lag(customer_id) over in_order is distinct from customer_id)
        or (lag(order_id) over in_order is distinct from order_id) as is_first
    from all_touches
    window in_order as (
        order by
            customer_id, order_id, touched_at, interaction_id nulls last
    )
),

numbered as (
    select
        customer_id,
        order_id,
        place - max(case when is_first then place end) over (
            order by place rows unbounded preceding
        ) + 1 as touch_no,
        interaction_id,
        campaign_id,
        touched_at,
        days_before
    from touches_in_order
),

final as (
    select * from numbered
    where interaction_id is not null or touch_no = 1
)

select * from final
