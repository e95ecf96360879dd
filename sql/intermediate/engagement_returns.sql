-- What engagement as a whole earned and cost up to as_of, and up to
-- kpi_period_days before.
with cut_days as (
    select * from intermediate.cut_days
),

order_days as (
    select * from intermediate.order_days
),

identity_members as (
    select * from intermediate.identity_members
),

order_interactions as (
    select * from intermediate.order_interactions
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

cuts as (
    select cut_on from cut_days where purpose = 'kpi'
),

-- Orders with their lines up to the cut day, by the rule of orders.
orders as (
    select
        cuts.cut_on,
        coalesce(identity_members.customer_id, order_days.customer_id)
            as customer_id,
        order_days.order_id,
        sum(order_days.quantity) as quantity,
        sum(order_days.revenue) as revenue,
        sum(order_days.margin) as margin
    from order_days
    left join identity_members
        on order_days.customer_id = identity_members.landed_id
    cross join cuts
    where order_days.day <= cuts.cut_on
    group by
        cuts.cut_on,
        coalesce(identity_members.customer_id, order_days.customer_id),
        order_days.order_id
),

-- An order's moment is that of its first line, so what came before it is the
-- same on every day.
touched as (
    select
        customer_id,
        order_id
    from order_interactions
    group by customer_id, order_id
),

earned as (
    select
        orders.cut_on,
        sum(orders.margin) as value
    from orders
    inner join touched
        on
            orders.customer_id = touched.customer_id
            and orders.order_id = touched.order_id
    where
        orders.revenue > 0 or (orders.revenue = 0 and orders.quantity > 0)
    group by orders.cut_on
),

daily_costs as (
    select
        day,
        sum(cost) as cost
    from customer_interactions
    group by day
),

spent as (
    select
        cuts.cut_on,
        sum(daily_costs.cost) as cost
    from cuts
    cross join daily_costs
    where daily_costs.day <= cuts.cut_on
    group by cuts.cut_on
),

sums as (
    select
        cuts.cut_on,
        cast(coalesce(earned.value, 0) as decimal(18, 2)) as value,
        cast(coalesce(spent.cost, 0) as decimal(18, 2)) as cost
    from cuts
    left join earned on cuts.cut_on = earned.cut_on
    left join spent on cuts.cut_on = spent.cut_on
),

final as (
    select
        cut_on,
        value,
        cost,
        cast(value - cost as double)
        / nullif(cast(cost as double), 0) as return_on_engagement
    from sums
)

select * from final
