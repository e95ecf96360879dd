-- Which campaigns the orders are owed to, by five rules of sharing the credit.
with order_touches as (
    select * from intermediate.order_touches
),

orders as (
    select * from intermediate.orders
),

campaigns as (
    select * from staging.campaigns
),

-- Decimals add up to the same in any order, doubles do not.
paths as (
    select
        customer_id,
        order_id,
        count(*) as touches,
        sum(
            cast(power(0.5, days_before / 7.0) as decimal(38, 30))
        ) as weights
    from order_touches
    group by customer_id, order_id
),

touches as (
    select
        order_touches.campaign_id,
        order_touches.touch_no,
        paths.touches,
        power(0.5, order_touches.days_before / 7.0)
        / nullif(cast(paths.weights as double), 0) as decayed,
        orders.revenue
    from order_touches
    inner join paths
        on
            order_touches.customer_id = paths.customer_id
            and order_touches.order_id = paths.order_id
    inner join orders
        on
            order_touches.customer_id = orders.customer_id
            and order_touches.order_id = orders.order_id
),

credits as (
    select
        campaign_id,
        revenue,
        cast(case when touch_no = 1 then 1 else 0 end as decimal(19, 18))
            as first_touch,
        cast(case when touch_no = touches then 1 else 0 end as decimal(19, 18))
            as last_touch,
        cast(1.0 / touches as decimal(19, 18)) as linear,
        cast(
            case
                when touches <= 2 then 1.0 / touches
                when touch_no in (1, touches) then 0.4
                else 0.2 / (touches - 2)
            end as decimal(19, 18)
        ) as position_based,
        -- two years before the order all weights are 0: then they are equal
        cast(coalesce(decayed, 1.0 / touches) as decimal(19, 18)) as time_decay
    from touches
    union all
    -- a campaign that has begun and earns nothing is told too
    select
        campaign_id,
        cast(0 as decimal(18, 2)) as revenue,
        cast(0 as decimal(19, 18)) as first_touch,
        cast(0 as decimal(19, 18)) as last_touch,
        cast(0 as decimal(19, 18)) as linear,
        cast(0 as decimal(19, 18)) as position_based,
        cast(0 as decimal(19, 18)) as time_decay
    from campaigns
    where
        campaign_id is not null
        and (started_on is null or started_on <= $as_of)
),

credited as (
    select
        campaign_id,
        sum(first_touch) as first_touch,
        sum(last_touch) as last_touch,
        sum(linear) as linear,
        sum(position_based) as position_based,
        sum(time_decay) as time_decay,
        sum(first_touch * revenue) as first_touch_revenue,
        sum(last_touch * revenue) as last_touch_revenue,
        sum(linear * revenue) as linear_revenue,
        sum(position_based * revenue) as position_based_revenue,
        sum(time_decay * revenue) as time_decay_revenue
    from credits
    group by campaign_id
),

models as (
    select 'first_touch' as model
    union all
    select 'last_touch' as model
    union all
    select 'linear' as model
    union all
    select 'position_based' as model
    union all
    select 'time_decay' as model
),

shares as (
    select
        credited.campaign_id,
        models.model,
        case models.model
            when 'first_touch' then credited.first_touch
            when 'last_touch' then credited.last_touch
            when 'linear' then credited.linear
            when 'position_based' then credited.position_based
            else credited.time_decay
        end as conversions,
        -- without the last digits: what is equal but for them, is equal
        cast(
            case models.model
                when 'first_touch' then credited.first_touch_revenue
                when 'last_touch' then credited.last_touch_revenue
                when 'linear' then credited.linear_revenue
                when 'position_based' then credited.position_based_revenue
                else credited.time_decay_revenue
            end as decimal(38, 10)
        ) as revenue
    from credited
    cross join models
),

total as (
    select coalesce(sum(revenue), 0) as revenue
    from orders
    where is_order
),

-- Whole cents, and what is then missing to the total: a cent each to those
-- that lost the largest parts of one.
rounded as (
    select
        campaign_id,
        model,
        conversions,
        revenue,
        cast(floor(revenue * 100) as decimal(20, 0)) as cents
    from shares
),

placed as (
    select
        campaign_id,
        model,
        conversions,
        cents,
        sum(cents) over (partition by model) as model_cents,
        row_number() over (
            partition by model
            order by revenue * 100 - cents desc, campaign_id
        ) as place
    from rounded
),

final as (
    select
        placed.campaign_id,
        placed.model,
        cast(placed.conversions as double) as conversions,
        cast(
            (
                placed.cents
                + case
                    when
                        placed.place
                        <= cast(total.revenue * 100 as decimal(20, 0))
                        - placed.model_cents
                        then 1
                    else 0
                end
            ) * 0.01 as decimal(18, 2)
        ) as revenue
    from placed
    cross join total
)

select * from final
