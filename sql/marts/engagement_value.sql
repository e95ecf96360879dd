-- Which engagement pays: what customers do after it, what it earns, what it
-- costs.
with customer_interactions as (
    select * from intermediate.customer_interactions
),

known_customers as (
    select * from intermediate.known_customers
),

stage_positions as (
    select * from intermediate.stage_positions
),

customer_days as (
    select * from intermediate.customer_days
),

order_interactions as (
    select * from intermediate.order_interactions
),

orders as (
    select * from intermediate.orders
),

cut as (
    select add_days($as_of, -$conversion_days) as cut_on
),

-- Everyone known at the cut day, the stage that they were in, and whether
-- they bought since.
bought as (
    select customer_days.customer_id
    from customer_days
    cross join cut
    where customer_days.is_purchase_day and customer_days.day > cut.cut_on
    group by customer_days.customer_id
),

population as (
    select
        known_customers.customer_id,
        coalesce(stage_positions.stage_rank, 0) as stage_rank,
        bought.customer_id is not null as has_bought
    from known_customers
    cross join cut
    left join stage_positions
        on
            known_customers.customer_id = stage_positions.customer_id
            and cut.cut_on = stage_positions.cut_on
    left join bought on known_customers.customer_id = bought.customer_id
    where
        known_customers.is_known_from_start
        or known_customers.known_on <= cut.cut_on
),

stages as (
    select
        stage_rank,
        count(*) as customers,
        count(*) filter (where has_bought) as bought
    from population
    group by stage_rank
),

by_customer as (
    select
        customer_interactions.kind,
        customer_interactions.channel,
        customer_interactions.customer_id,
        sum(customer_interactions.interactions) as interactions,
        sum(customer_interactions.cost) as cost,
        bool_or(
            customer_interactions.day > add_days(cut.cut_on, -$conversion_days)
            and customer_interactions.day <= cut.cut_on
        ) as is_exposed
    from customer_interactions
    cross join cut
    group by
        customer_interactions.kind,
        customer_interactions.channel,
        customer_interactions.customer_id
),

by_stage as (
    select
        by_customer.kind,
        by_customer.channel,
        population.stage_rank,
        sum(by_customer.interactions) as interactions,
        count(*) as customers,
        sum(by_customer.cost) as cost,
        count(*) filter (where by_customer.is_exposed) as exposed,
        count(*) filter (where by_customer.is_exposed and population.has_bought)
            as exposed_bought
    from by_customer
    left join population on by_customer.customer_id = population.customer_id
    group by by_customer.kind, by_customer.channel, population.stage_rank
),

-- A stage in which everyone was exposed has nobody to compare with.
compared as (
    select
        by_stage.kind,
        by_stage.channel,
        by_stage.interactions,
        by_stage.customers,
        by_stage.cost,
        by_stage.exposed,
        case when stages.customers > by_stage.exposed then by_stage.exposed end
            as compared,
        case
            when stages.customers > by_stage.exposed
                then by_stage.exposed_bought
        end as compared_bought,
        -- decimals add up to the same in any order, doubles do not
        case
            when stages.customers > by_stage.exposed
                then
                    cast(
                        by_stage.exposed
                        * cast(stages.bought - by_stage.exposed_bought as double)
                        / (stages.customers - by_stage.exposed)
                        as decimal(38, 12)
                    )
        end as expected_bought
    from by_stage
    left join stages on by_stage.stage_rank = stages.stage_rank
),

engagements as (
    select
        kind,
        channel,
        sum(interactions) as interactions,
        sum(customers) as customers,
        cast(sum(cost) as decimal(18, 2)) as cost,
        sum(exposed) as exposed,
        cast(sum(compared_bought) as double) / nullif(sum(compared), 0)
            as exposed_rate,
        cast(sum(expected_bought) as double) / nullif(sum(compared), 0)
            as unexposed_rate
    from compared
    group by kind, channel
),

touched_orders as (
    select
        customer_id,
        order_id,
        sum(interactions) as touches
    from order_interactions
    group by customer_id, order_id
),

touched_margins as (
    select
        touched_orders.customer_id,
        touched_orders.order_id,
        touched_orders.touches,
        orders.margin
    from touched_orders
    inner join orders
        on
            touched_orders.customer_id = orders.customer_id
            and touched_orders.order_id = orders.order_id
    where orders.is_order
),

-- Orders with as many touches share alike: their margins are added up first
-- and divided once, in cents and not in doubles.
shared as (
    select
        order_interactions.kind,
        order_interactions.channel,
        touched_margins.touches,
        cast(
            sum(touched_margins.margin * order_interactions.interactions)
            as decimal(38, 10)
        ) / cast(touched_margins.touches as decimal(12, 0)) as value
    from order_interactions
    inner join touched_margins
        on
            order_interactions.customer_id = touched_margins.customer_id
            and order_interactions.order_id = touched_margins.order_id
    group by
        order_interactions.kind,
        order_interactions.channel,
        touched_margins.touches
),

earned as (
    select
        kind,
        channel,
        -- without the last digits: what is equal but for them, is equal
        cast(sum(value) as decimal(38, 8)) as value
    from shared
    group by kind, channel
),

-- Whole cents, and what is then missing to the total: a cent each to those
-- that lost the largest parts of one.
valued as (
    select
        engagements.kind,
        engagements.channel,
        engagements.interactions,
        engagements.customers,
        engagements.cost,
        engagements.exposed,
        engagements.exposed_rate,
        engagements.unexposed_rate,
        coalesce(earned.value, 0) as value,
        cast(floor(coalesce(earned.value, 0) * 100) as decimal(20, 0)) as cents
    from engagements
    left join earned
        on
            engagements.kind = earned.kind
            and engagements.channel = earned.channel
),

placed as (
    select
        *,
        cast(round(sum(value) over () * 100) as decimal(20, 0))
        - sum(cents) over () as missing_cents,
        row_number() over (
            order by value * 100 - cents desc, kind, channel
        ) as place
    from valued
),

rounded as (
    select
        *,
        cast(
            (cents + case when place <= missing_cents then 1 else 0 end) * 0.01
            as decimal(18, 2)
        ) as money
    from placed
),

final as (
    select
        kind,
        channel,
        interactions,
        customers,
        exposed,
        exposed_rate,
        unexposed_rate,
        exposed_rate - unexposed_rate as lift_points,
        money as value,
        cast(money as double) / nullif(interactions, 0)
            as value_per_interaction,
        cost,
        cast(money - cost as double)
        / nullif(cast(cost as double), 0) as return_on_engagement
    from rounded
)

select * from final
